"""Evaluates the MutatingAdmissionPolicy as the API server does: its conditions, variables and patches.

The evaluator knows CEL but neither `Object` nor `JSONPatch`, so both are given to it as constructors
of maps that remember their name. The API server demands that a name is the path of the member where
the value stands, and that the items of a list or a map are of one type; both are demanded here.
"""

import copy
import re
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel

from engine import Object


class Made(celtypes.MapType):
    """A map that a constructor made."""

    name: str


def constructor(name: str) -> Any:
    def make(members: Any = None) -> Made:
        made = Made({celtypes.StringType(k): v for k, v in (members or {}).items()})
        made.name = name
        return made

    return make


def plain(value: Any, name: str) -> Any:
    """A value as JSON. Everything that was made in it is named after where it stands."""
    if isinstance(value, Made):
        if value.name != name:
            raise ValueError(f"`{value.name}` stands where `{name}` belongs")
        return {str(k): plain(v, f"{name}.{k}") for k, v in value.items()}
    if isinstance(value, celtypes.MapType):
        one_type(list(value.values()), name)
        return {str(k): plain(v, name) for k, v in value.items()}
    if isinstance(value, celtypes.ListType):
        one_type(list(value), name)
        return [plain(v, name) for v in value]
    if isinstance(value, celtypes.BoolType):
        return bool(value)
    if isinstance(value, celtypes.IntType):
        return int(value)
    if isinstance(value, celtypes.StringType):
        return str(value)
    raise ValueError(f"a {type(value).__name__} at `{name}`")


def one_type(values: list[Any], name: str) -> None:
    if len({type(v) for v in values}) > 1:
        raise ValueError(f"values of several types at `{name}`, which the API server does not compile")


def evaluate(expression: str, variables: dict[str, Any]) -> Any:
    constructors = {}

    def flat(match: re.Match[str]) -> str:
        # The evaluator would read a dotted name as a member of a shorter one.
        name = match.group(1)
        constructors[name.replace(".", "__")] = constructor(name)
        return name.replace(".", "__") + "{"

    text = re.sub(r"\b((?:Object|JSONPatch)(?:\.\w+)*)\{", flat, expression)
    environment = celpy.Environment()
    result = environment.program(environment.compile(text)).evaluate({**variables, **constructors})
    if isinstance(result, celpy.CELEvalError):
        raise ValueError(f"{result} in `{expression}`")
    return result


def patch(pod: Object, operations: list[Object]) -> None:
    """Applies JSON patches that add, which is all that the policy does."""
    for operation in operations:
        if operation["op"] != "add":
            raise ValueError(f"the operation `{operation['op']}`")
        *parents, last = operation["path"].lstrip("/").split("/")
        target: Any = pod
        for part in parents:
            target = target[part]
        if isinstance(target, list):
            target.insert(len(target) if last == "-" else int(last), operation["value"])
        else:
            target[last] = operation["value"]


def name_of(path: str) -> str:
    parts = [p for p in path.lstrip("/").split("/") if p != "-" and not p.isdigit()]
    return ".".join(["Object", *parts])


def admit(policy: Object, pod: Object) -> Object:
    """The pod after the policy."""
    spec = policy["spec"]
    pod = copy.deepcopy(pod)
    given = {"object": json_to_cel(pod)}
    for condition in spec["matchConditions"]:
        if not evaluate(condition["expression"], given):
            return pod
    variables = celtypes.MapType(
        {celtypes.StringType(v["name"]): evaluate(v["expression"], given) for v in spec["variables"]}
    )
    for mutation in spec["mutations"]:
        if mutation["patchType"] != "JSONPatch":
            raise ValueError(f"the patch type {mutation['patchType']}")
        given = {"object": json_to_cel(pod), "variables": variables}
        made = evaluate(mutation["jsonPatch"]["expression"], given)
        operations = []
        for operation in made:
            path = str(operation["path"])
            value = plain(operation["value"], name_of(path))
            operations.append({"op": str(operation["op"]), "path": path, "value": value})
        patch(pod, operations)
    return pod
