"""What is rendered: the charts by Helm's engine, the component by Kustomize, the manifest as it stands."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "charts/sidegate"
SIDECAR = ROOT / "charts/sidegate-sidecar"
APP = ROOT / "tests/charts/app"

RULES = """groups:
  - name: sample
    rules:
      - alert: Sample
        expr: up == 0
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} is down"}
"""


@dataclass
class Rendered:
    """The objects of one set of values."""

    name: str
    objects: list[Object]
    # Those that `extraManifests` brought: not ours to judge.
    foreign: list[Object]
    notes: str

    def of(self, *kinds: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] in kinds]


def load(text: str) -> list[Object]:
    return [o for o in yaml.safe_load_all(text) if o]


class Charts:
    """Copies of the charts that can be loaded: with dependencies, and with something to monitor."""

    def __init__(self, out: Path) -> None:
        work = out / "charts"
        shutil.rmtree(work, ignore_errors=True)
        self.service = work / "sidegate"
        self.app = work / "orders"
        shutil.copytree(SERVICE, self.service)
        shutil.copytree(APP, self.app)
        shutil.copytree(SIDECAR, self.app / "charts/sidegate-sidecar")
        # The rules and dashboards of the repository are checked where they are made; without them,
        # samples stand in so that their templates render something.
        if not (self.service / "files/rules.yaml").exists():
            (self.service / "files").mkdir(exist_ok=True)
            (self.service / "files/rules.yaml").write_text(RULES)
        if not list((self.service / "files").glob("dashboards/*.json")):
            (self.service / "files/dashboards").mkdir(exist_ok=True)
            (self.service / "files/dashboards/sample.json").write_text('{"title":"Sample"}')

    def sets(self, chart: Path) -> dict[str, Object]:
        """The sets of values that stand beside a chart."""
        files = sorted((SERVICE if chart == self.service else APP).glob("ci/*-values.yaml"))
        return {f.name.removesuffix("-values.yaml"): yaml.safe_load(f.read_text()) or {} for f in files}

    def lint(self, chart: Path, values: Object) -> list[str]:
        report = helm.lint(chart, values, strict=True)
        warnings = [m["error"] for m in report["messages"] if m["severity"] > 1]
        return [str(e) for e in report["errors"]] + warnings

    def render(self, chart: Path, values: Object, name: str = "demo", label: str = "") -> Rendered:
        with helm.Chart.load(chart) as loaded:
            files = loaded.render(values, name=name, namespace="shop")
        rendered = Rendered(label, [], [], "")
        for path, text in sorted(files.items()):
            if path.endswith("NOTES.txt"):
                rendered.notes = text
            elif path.endswith("/extra.yaml"):
                rendered.foreign += load(text)
            else:
                rendered.objects += load(text)
        return rendered


def kustomize(directory: Path) -> list[Object]:
    kubectl = Path(sys.executable).parent / "kubectl"
    command = [str(kubectl), "kustomize", str(directory)]
    return load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def pod_template(o: Object) -> Object | None:
    """The pod that an object is or makes, as {metadata, spec}."""
    if o["kind"] == "Pod":
        return o
    if o["kind"] == "CronJob":
        return o["spec"]["jobTemplate"]["spec"]["template"]
    template = o.get("spec", {}).get("template")
    return template if isinstance(template, dict) and "spec" in template else None


def containers(pod: Object) -> list[Object]:
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
