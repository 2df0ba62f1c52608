"""Checks the charts, the Kustomize component, the admission policy and the plain manifest.

    python tests/charts/check.py --out DIR --node-modules DIR
    python tests/charts/check.py --out DIR --dump NAME

The first form runs every check, and leaves what was rendered in DIR/rendered. The second writes the
sidecar's pod with its ConfigMaps to DIR/NAME.json; NAME is `app/SET` for a set of values in app/ci,
`service/SET` for one of charts/sidegate/ci, `kustomize`, `admission` or `plain`.

Python runs it with what `pip` of tests/parts.txt brings; `npm` of it brings
what DIR/node_modules has to hold. No network and no cluster is asked.
"""

import argparse
import copy
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

# Nothing is written beside the sources.
sys.dont_write_bytecode = True

import admission
import properties
from engine import APP, ROOT, SERVICE, SIDECAR, Charts, Object, Rendered, containers, kustomize, load, pod_template, write

OLDEST = "1.33"
NEWEST = "1.37"
# MutatingAdmissionPolicy is stable from here on.
ADMISSION = "1.36"

KUSTOMIZE = ROOT / "tests/charts/kustomize"
PLAIN = ROOT / "deploy/kubernetes/orders.yaml"
POLICY = ROOT / "deploy/admission/policy.yaml"
BINDING = ROOT / "deploy/admission/binding.yaml"

# The validator reads its definitions anew for each object.
kubernetes_validate.utils.schema_contents = functools.lru_cache(maxsize=None)(kubernetes_validate.utils.schema_contents)


class Faults:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.passed = 0

    def expect(self, holds: bool, text: str) -> None:
        if holds:
            self.passed += 1
        else:
            self.texts.append(text)

    def add(self, where: str, texts: list[str]) -> None:
        self.passed += not texts
        self.texts += [f"{where}: {text}" for text in texts]

    def run(self, where: str, check: Callable[[], None]) -> None:
        """A check that cannot be carried out is a fault, and the others still are."""
        try:
            check()
        except Exception as error:
            self.texts.append(f"{where}: {type(error).__name__}: {error}")


def schema_faults(objects: list[Object], *versions: str) -> list[str]:
    faults = []
    for o in objects:
        if o["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        for version in versions:
            who = f"{o['kind']} {o['metadata']['name']} in Kubernetes {version}"
            try:
                kubernetes_validate.validate(o, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                faults.append(f"{who}: {'.'.join(map(str, error.path))}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError as error:
                faults.append(f"{who}: {error.message}")
    return faults


def render_all(charts: Charts, faults: Faults) -> dict[str, Rendered]:
    """Lints and renders every set of values."""
    rendered = {}
    for kind, chart, least in (("service", charts.service, 12), ("app", charts.app, 4)):
        sets = charts.sets(chart)
        faults.expect(len(sets) >= least, f"{kind}: {len(sets)} sets of values, {least} are the least")
        for name, values in sets.items():
            label = f"{kind}/{name}"
            faults.add(f"{label} (lint)", charts.lint(chart, values))
            try:
                rendered[label] = charts.render(chart, values, label=label)
            except helm.HelmError as error:
                faults.add(label, [str(error)])
                continue
            again = charts.render(chart, values, label=label)
            faults.expect(again == rendered[label], f"{label}: renders differently the second time")
    return rendered


def notes(rendered: dict[str, Rendered], faults: Faults) -> None:
    for label, set_ in rendered.items():
        if not label.startswith("service/"):
            continue
        unserved = label == "service/minimal"
        said = "NO BUNDLE IS CONFIGURED: EVERY REQUEST IS DENIED" in set_.notes
        faults.expect(said == unserved, f"{label}: NOTES.txt about a missing bundle")
        said = "SECRETS STAND IN THE VALUES" in set_.notes
        faults.expect(said == (label == "service/inline"), f"{label}: NOTES.txt about secrets in the values")
        faults.expect("helm test demo" in set_.notes, f"{label}: NOTES.txt names no proof of a decision")


def templates(faults: Faults) -> None:
    """Nothing asks the cluster or a die while rendering."""
    word = re.compile(r"\.Capabilities|\blookup\b|\brand[A-Z]\w*|\bgen[A-Z]\w*|\bnow\b|\buuidv4\b|\bhtpasswd\b|\bderivePassword\b")
    for chart in (SERVICE, SIDECAR, APP):
        for file in sorted(chart.glob("templates/**/*")):
            if file.is_file():
                actions = re.findall(r"\{\{(?!-? ?/\*).*?\}\}", file.read_text(), re.S)
                found = [m.group() for a in actions for m in word.finditer(re.sub(r'"[^"]*"', '""', a))]
                faults.expect(not found, f"{file.relative_to(ROOT)}: {', '.join(found)} is not known while rendering")


def changes(charts: Charts, faults: Faults) -> None:
    """What makes new pods, and what does not."""

    def template(chart: Path, values: Object) -> Object:
        return charts.render(chart, values).of("Deployment", "DaemonSet")[0]["spec"]["template"]

    base: Object = {
        "bundle": {"inline": {"a.yaml": "one"}},
        "credentials": {"inline": {"ana": "one"}},
        "config": {"log": {"level": "info"}},
    }
    first = template(charts.service, base)
    same = {
        "the bundle": {"bundle": {"inline": {"a.yaml": "two"}}},
        "the credentials": {"credentials": {"inline": {"ana": "two"}}},
        "the level of the log": {"config": {"log": {"level": "debug"}}},
    }
    for what, change in same.items():
        faults.expect(template(charts.service, {**base, **change}) == first, f"{what} makes new pods")
    other = {"config": {"log": {"level": "info"}, "decisions": {"concurrency": 1}}}
    faults.expect(template(charts.service, {**base, **other}) != first, "a setting that is read at the start makes no new pods")

    first = template(charts.app, {})
    other = {"sidegate": {"config": {"log": {"level": "debug"}}}}
    faults.expect(template(charts.app, other)["metadata"] == template(charts.app, {"sidegate": {"config": {"log": {"level": "info"}}}})["metadata"], "app: the level of the log makes new pods")
    other = {"sidegate": {"config": {"decisions": {"concurrency": 1}}}}
    faults.expect(template(charts.app, other) != first, "app: a setting makes no new pods")


def images(charts: Charts, faults: Faults) -> None:
    def image(values: Object) -> str:
        return str(charts.render(charts.service, values).of("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"])

    digest = "sha256:" + "a" * 64
    cases: list[tuple[Object, str]] = [
        ({}, "ghcr.io/sidegate/sidegate:0.1.0"),
        ({"image": {"tag": "9"}}, "ghcr.io/sidegate/sidegate:9"),
        ({"image": {"tag": "9", "digest": digest}}, f"ghcr.io/sidegate/sidegate@{digest}"),
        ({"global": {"imageRegistry": "mirror"}, "image": {"registry": "x"}}, "mirror/sidegate/sidegate:0.1.0"),
        ({"image": {"registry": ""}}, "sidegate/sidegate:0.1.0"),
    ]
    for values, expected in cases:
        faults.expect(image(values) == expected, f"{json.dumps(values)}: the image is {image(values)}, not {expected}")
    library = yaml.safe_load((SIDECAR / "values.yaml").read_text())
    version = yaml.safe_load((SIDECAR / "Chart.yaml").read_text())["appVersion"]
    faults.expect(library["image"]["tag"] == version, "charts/sidegate-sidecar: the tag in values.yaml is not its appVersion")
    service = yaml.safe_load((SERVICE / "Chart.yaml").read_text())
    faults.expect(service["appVersion"] == version, "the charts are of different versions of Sidegate")


def names(charts: Charts, faults: Faults) -> None:
    long = "a" * 53
    for values in ({"bundle": {"inline": {"a": ""}}, "podMonitor": {"enabled": True}}, {"fullnameOverride": "b" * 63}):
        rendered = charts.render(charts.service, {**values, "dashboards": {"enabled": True}}, name=long, label=f"a long name {json.dumps(values)}")
        faults.add(rendered.name, properties.objects(rendered))


def negatives(charts: Charts, faults: Faults) -> None:
    cases = yaml.safe_load((ROOT / "tests/charts/negative.yaml").read_text())
    for case in cases:
        chart = charts.app if case.get("chart") == "app" else charts.service
        said = json.dumps(case["values"])
        try:
            charts.render(chart, case["values"])
        except helm.HelmError as error:
            faults.expect(case["names"] in str(error), f"negative.yaml: {said}: the error does not name {case['names']!r} but says: {error}")
        else:
            faults.expect(False, f"negative.yaml: {said}: is accepted")


def settings(charts: Charts, printed: str | None, faults: Faults) -> None:
    """Every setting is in the schemas, and every one of the schemas in a set of values."""

    def of_schema(chart: Path) -> set[str]:
        groups = json.loads((chart / "values.schema.json").read_text())["properties"]["config"]["properties"]
        return {f"{g}.{n}" for g, group in groups.items() for n in group["properties"]}

    def of_values(values: Object) -> set[str]:
        return {f"{g}.{n}" for g, group in values["config"].items() for n in group}

    service = of_schema(SERVICE)
    sidecar = of_schema(SIDECAR)
    fixed = {"bundle.directory", "credentials.directory", "decisions.address", "admin.address", "runtime.threads"}
    faults.expect(service - sidecar == fixed, f"the charts know other settings: {sorted((service - sidecar) ^ fixed)}")
    faults.expect(not sidecar - service, f"only the sidecar knows {sorted(sidecar - service)}")
    given = of_values(charts.sets(charts.service)["settings"])
    faults.expect(given == service, f"ci/settings-values.yaml and the schema differ: {sorted(given ^ service)}")
    given = of_values(charts.sets(charts.app)["settings"]["sidegate"])
    faults.expect(given == sidecar, f"app/ci/settings-values.yaml and the schema differ: {sorted(given ^ sidecar)}")
    if printed is not None:
        known = {f"{g}.{n}" for g, group in yaml.safe_load(Path(printed).read_text()).items() for n in group}
        faults.expect(known == service, f"values.schema.json and the settings of Sidegate differ: {sorted(known ^ service)}")


def monitors(rendered: dict[str, Rendered], out: Path, modules: str, faults: Faults) -> None:
    found = [
        {"from": label, "object": o}
        for label, set_ in rendered.items()
        for o in set_.of("ServiceMonitor", "PodMonitor", "PrometheusRule")
    ]
    kinds = {f["object"]["kind"] for f in found}
    faults.expect(len(kinds) == 3, f"no set of values renders all monitors, only {sorted(kinds)}")
    write(out / "monitors.json", found)
    command = ["node", str(ROOT / "tests/charts/monitors.mjs"), modules, str(out / "monitors.json")]
    result = subprocess.run(command, capture_output=True, text=True)
    faults.expect(result.returncode == 0, f"monitors.mjs: {result.stderr.strip()}")
    faults.add("the operator of Prometheus", result.stdout.splitlines())


BARE: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "orders", "namespace": "shop"},
    "spec": {"containers": [{"name": "orders", "image": "orders"}]},
}


def pods(charts: Charts) -> dict[str, Object]:
    """A pod of each of the four ways, with the sidecar in it."""
    library = charts.render(charts.app, {"sidegate": {"configMap": "sidegate-config", "bundle": {"configMap": "sidegate-bundle"}, "credentials": {"secret": "sidegate-credentials"}}})
    ways = {
        "the library chart": library.of("Deployment")[0],
        "the Kustomize component": next(o for o in kustomize(KUSTOMIZE) if o["metadata"]["name"] == "orders"),
        "the plain manifest": next(o for o in load(PLAIN.read_text()) if o["kind"] == "Deployment"),
    }
    found = {way: pod_template(o) or {} for way, o in ways.items()}
    found["the admission policy"] = admission.admit(load(POLICY.read_text())[0], BARE)
    return found


def sidecar(pod: Object) -> Object:
    """The container, and the volumes that it mounts."""
    container = next(c for c in pod["spec"]["initContainers"] if c["name"] == "sidegate")
    volumes = {v["name"]: v for v in copy.deepcopy(pod["spec"]["volumes"]) if v["name"].startswith("sidegate-")}
    # Kustomize puts the hash of the content behind the name of a ConfigMap that it makes.
    config = volumes["sidegate-config"]["configMap"]
    config["name"] = re.sub(r"-[0-9a-z]{10}$", "", config["name"])
    return {"container": container, "volumes": volumes}


def same_sidecar(charts: Charts, faults: Faults) -> None:
    found = pods(charts)
    expected = sidecar(found["the library chart"])
    for way, pod in found.items():
        got = sidecar(pod)
        for part in ("container", "volumes"):
            for key in sorted(set(expected[part]) | set(got[part])):
                one, other = expected[part].get(key), got[part].get(key)
                faults.expect(one == other, f"the {part} of {way} differs from that of the library chart in {key}: {other} is not {one}")
        faults.expect(pod["spec"]["initContainers"][0]["name"] == "sidegate", f"{way}: the sidecar is not the first container")
        faults.expect(pod["spec"]["securityContext"]["fsGroup"] == 65532, f"{way}: no group owns the volumes")
        alone = {"spec": {**pod["spec"], "securityContext": {}, "initContainers": [got["container"]], "containers": []}}
        faults.add(f"{way}: the container by itself", properties.restricted(alone))


def kustomized(faults: Faults) -> None:
    objects = {o["metadata"]["name"]: o for o in kustomize(KUSTOMIZE)}
    faults.add("tests/charts/kustomize", schema_faults(list(objects.values()), OLDEST, NEWEST))
    for name, with_sidecar in (("orders", True), ("ledger", True), ("website", False)):
        has = "sidegate" in [c["name"] for c in containers(pod_template(objects[name]) or {})]
        faults.expect(has == with_sidecar, f"tests/charts/kustomize: {name} {'has' if has else 'lacks'} a sidecar")
    faults.expect("sidegate-bundle" in objects, "tests/charts/kustomize: the bundle's name changes with its content")


def admitted(faults: Faults) -> None:
    policy, binding = load(POLICY.read_text())[0], load(BINDING.read_text())[0]
    where = "deploy/admission"
    faults.add(where, schema_faults([policy, binding], ADMISSION, NEWEST))
    faults.expect(policy["spec"]["failurePolicy"] == "Fail", f"{where}: the policy fails open")
    faults.expect(binding["spec"]["policyName"] == policy["metadata"]["name"], f"{where}: the binding names another policy")
    labels = binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]
    faults.expect(labels == {"sidegate.dev/inject": "true"}, f"{where}: namespaces opt in by {labels}")

    def with_(change: Callable[[Object], None]) -> tuple[Object, Object]:
        pod = copy.deepcopy(BARE)
        change(pod)
        return pod, admission.admit(policy, pod)

    _, bare = with_(lambda pod: None)
    faults.add(f"{where}: a bare pod", schema_faults([bare], ADMISSION, NEWEST))
    faults.expect(admission.admit(policy, bare) == bare, f"{where}: not idempotent")

    before, after = with_(lambda pod: pod["metadata"].update(annotations={"sidegate.dev/inject": "false"}))
    faults.expect(before == after, f"{where}: a pod that opted out is changed")

    names = {"sidegate.dev/config": "c", "sidegate.dev/bundle": "b", "sidegate.dev/credentials": "s"}
    _, after = with_(lambda pod: pod["metadata"].update(annotations=names))
    volumes = {v["name"]: v for v in after["spec"]["volumes"]}
    said = (
        volumes["sidegate-config"]["configMap"]["name"],
        volumes["sidegate-bundle"]["configMap"]["name"],
        volumes["sidegate-credentials"]["secret"]["secretName"],
    )
    faults.expect(said == ("c", "b", "s"), f"{where}: the annotations name {said}")

    own = {"name": "sidegate-bundle", "image": {"reference": "registry/bundle"}}
    _, after = with_(lambda pod: pod["spec"].update(volumes=[own, {"name": "tmp", "emptyDir": {}}]))
    faults.expect([v["name"] for v in after["spec"]["volumes"]].count("sidegate-bundle") == 1, f"{where}: a volume is there twice")
    faults.expect(own in after["spec"]["volumes"], f"{where}: a volume of the pod's own is replaced")

    first = {"name": "migrate", "image": "migrate"}
    _, after = with_(lambda pod: pod["spec"].update(initContainers=[first]))
    faults.expect([c["name"] for c in after["spec"]["initContainers"]] == ["sidegate", "migrate"], f"{where}: the order of containers")

    for context, expected in (({"fsGroup": 7}, 7), ({"runAsUser": 7}, 65532), ({}, 65532)):
        _, after = with_(lambda pod: pod["spec"].update(securityContext=dict(context)))
        got = after["spec"]["securityContext"]
        faults.expect(got == {**context, "fsGroup": expected}, f"{where}: {context} becomes {got}")


def plain(faults: Faults) -> None:
    objects = load(PLAIN.read_text())
    where = "deploy/kubernetes/orders.yaml"
    faults.add(where, schema_faults(objects, OLDEST, NEWEST))
    for o in objects:
        template = pod_template(o)
        if template is not None:
            faults.add(where, properties.restricted(template) + properties.pod(template))
    data = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    listener = "address: {socket_address: {address: 127.0.0.1, port_value: 10000}}"
    everywhere = 'address: {socket_address: {address: "::", port_value: 10000, ipv4_compat: true}}'
    recipe = (ROOT / "deploy/envoy/envoy.yaml").read_text()
    faults.expect(recipe.count(listener) == 1, "deploy/envoy/envoy.yaml: the listener is not where it was")
    faults.expect(data["envoy"]["envoy.yaml"] == recipe.replace(listener, everywhere), f"{where}: the configuration of Envoy is not that of deploy/envoy/envoy.yaml")
    bundle = (APP / "bundle/orders.yaml").read_text()
    faults.expect(data["sidegate-bundle"]["orders.yaml"] == bundle, f"{where}: the bundle is not that of tests/charts/app")
    faults.expect((KUSTOMIZE / "bundle.yaml").read_text() == bundle, "tests/charts/kustomize: the bundle is not that of tests/charts/app")


def dump(charts: Charts, name: str, out: Path) -> None:
    kind, _, set_ = name.partition("/")
    if kind in ("app", "service") and set_:
        chart = charts.app if kind == "app" else charts.service
        objects = charts.render(chart, charts.sets(chart)[set_]).objects
    elif kind == "kustomize":
        objects = [o for o in kustomize(KUSTOMIZE) if o["metadata"]["name"] not in ("ledger", "website")]
    elif kind == "plain":
        objects = load(PLAIN.read_text())
    elif kind == "admission":
        objects = [admission.admit(load(POLICY.read_text())[0], BARE)]
    else:
        sys.exit(f"nothing is called {name}")
    workload = next(o for o in objects if o["kind"] in ("Deployment", "DaemonSet") or name == "admission")
    data = {o["metadata"]["name"]: o.get("data", {}) for o in objects if o["kind"] == "ConfigMap"}
    file = out / f"{name.replace('/', '-')}.json"
    write(file, {"pod": (pod_template(workload) or {})["spec"], "configMaps": data})
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where everything is written")
    parser.add_argument("--node-modules", help="where the validators of the Prometheus operator are")
    parser.add_argument("--settings", help="what `sidegate serve --print-config` printed, to compare with the schemas")
    parser.add_argument("--dump", metavar="NAME", help="write one pod, and check nothing")
    arguments = parser.parse_args()
    charts = Charts(arguments.out)
    if arguments.dump:
        dump(charts, arguments.dump, arguments.out)
        return
    if arguments.node_modules is None:
        parser.error("--node-modules is needed to validate the objects of the Prometheus operator")

    faults = Faults()
    rendered = render_all(charts, faults)
    for label, set_ in rendered.items():
        write(arguments.out / "rendered" / f"{label}.json", set_.objects)
        faults.run(label, lambda: faults.add(label, schema_faults(set_.objects + set_.foreign, OLDEST, NEWEST)))
        faults.run(label, lambda: faults.add(label, properties.objects(set_)))
    notes(rendered, faults)
    templates(faults)
    faults.run("what makes new pods", lambda: changes(charts, faults))
    faults.run("the image", lambda: images(charts, faults))
    faults.run("long names", lambda: names(charts, faults))
    faults.run("negative.yaml", lambda: negatives(charts, faults))
    faults.run("values.schema.json", lambda: settings(charts, arguments.settings, faults))
    faults.run("monitors", lambda: monitors(rendered, arguments.out, arguments.node_modules, faults))
    faults.run("the sidecar of all four", lambda: same_sidecar(charts, faults))
    faults.run("deploy/kustomize", lambda: kustomized(faults))
    faults.run("deploy/admission", lambda: admitted(faults))
    faults.run("deploy/kubernetes", lambda: plain(faults))

    for text in faults.texts:
        print(text, file=sys.stderr)
    print(f"{faults.passed} passed, {len(faults.texts)} failed")
    sys.exit(1 if faults.texts else 0)


if __name__ == "__main__":
    main()
