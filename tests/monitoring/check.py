#!/usr/bin/env python3
"""What is in deploy/monitoring fits together, and fits what Sidegate measures.

`--metrics` is a file with the text of a scrape of a server that has done everything once: a metric
that is not in it does not exist. All faults are printed, each with its file. Needs PyYAML.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "rules" / "sidegate.rules.yaml"
TESTS = sorted((MONITORING / "rules" / "tests").glob("*.yaml"))
DASHBOARDS = MONITORING / "dashboards"
RUNBOOKS = MONITORING / "runbooks"
RUNBOOK_URL = "https://sidegate.dev/runbooks/"

# What Prometheus knows of a target beside what the target says.
TARGET_LABELS = {"namespace", "job", "instance", "pod"}
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\[[^\]]*\]|\d[\w.]*|[A-Za-z_:][\w:]*|[=!]~|!=|[{}(),=]|\S'
)
LARGEST = 60 * 1024

faults: list[str] = []


def fault(where: Path, text: str) -> None:
    faults.append(f"{where.relative_to(ROOT)}: {text}")


@dataclass
class Query:
    """What an expression names."""

    selectors: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)  # labels of `by`
    grouped: set[str] = field(default_factory=set)  # labels of every other list
    made: set[str] = field(default_factory=set)  # labels of `count_values`

    @classmethod
    def of(cls, expr: str) -> "Query":
        query, tokens = cls(), TOKEN.findall(expr)
        at = 0
        while at < len(tokens):
            token, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
            at += 1
            if not re.match(r"[A-Za-z_:]", token) or token.lower() in WORDS:
                continue
            if token in GROUPING:
                end = tokens.index(")", at)
                names = {name for name in tokens[at + 1 : end] if name != ","}
                (query.kept if token == "by" else query.grouped).update(names)
                at = end + 1
            elif token == "count_values":
                query.made.add(next(one for one in tokens[at:] if one[0] in "\"'")[1:-1])
            elif after == "{":
                end = tokens.index("}", at)
                parts = tokens[at + 1 : end]
                query.selectors.append(
                    (
                        token,
                        {
                            parts[i]: parts[i + 1] + parts[i + 2][1:-1]
                            for i in range(0, len(parts), 4)
                        },
                    )
                )
                at = end + 1
            elif after != "(" and after not in GROUPING:
                query.selectors.append((token, {}))
        return query


@dataclass
class Metrics:
    """The labels of each metric, and the bounds of histograms."""

    labels: dict[str, set[str]]
    families: set[str]
    bounds: set[str]

    @classmethod
    def of(cls, text: str) -> "Metrics":
        labels: dict[str, set[str]] = {"up": set()}
        families: set[str] = set()
        bounds: set[str] = set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                families.add(line.split()[2])
            elif line and not line.startswith("#"):
                name = re.match(r"[\w:]+", line)
                if name is None:
                    sys.exit(f"the scrape has a line that is no sample: {line}")
                found = re.findall(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"', line[name.end() :])
                labels.setdefault(name[0], set()).update(label for label, _ in found)
                bounds.update(value for label, value in found if label == "le")
        return cls(labels, families, bounds)

    def record(self, name: str) -> None:
        """A recorded series; those of a histogram keep its bounds."""
        self.labels[name] = {"namespace", "job"} | ({"le"} if "_bucket:" in name else set())

    def is_recorded(self, name: str) -> bool:
        return ":" in name

    def judge(self, where: Path, what: str, expr: str) -> Query:
        """Looks up all that an expression names."""
        query = Query.of(expr)
        known = set(TARGET_LABELS) | query.made
        for name, matchers in query.selectors:
            if name not in self.labels:
                fault(where, f"{what}: no metric `{name}`")
                continue
            own = self.labels[name] | (set() if self.is_recorded(name) else TARGET_LABELS)
            known |= own
            for label, value in matchers.items():
                if label not in own:
                    fault(where, f"{what}: `{name}` has no label `{label}`")
                if label == "le" and value[0] == "=" and value[1:] not in self.bounds:
                    fault(where, f"{what}: no histogram has the bound {value[1:]}")
        for label in sorted((query.kept | query.grouped) - known):
            fault(where, f"{what}: nothing in it has the label `{label}`")
        return query

    def left(self, query: Query) -> set[str]:
        """The labels that a result may have."""
        if query.kept:
            return query.kept | query.made
        names = [name for name, _ in query.selectors]
        return (
            set().union(
                *(
                    self.labels.get(name, set())
                    | (set() if self.is_recorded(name) else TARGET_LABELS)
                    for name in names
                )
            )
            | query.made
        )


def promtool(program: Path, out: Path, arguments: list[str], stdin: str = "") -> None:
    name = " ".join(Path(one).name for one in arguments)
    done = subprocess.run(
        [program, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(out)},
        cwd=ROOT,
    )
    if done.returncode != 0:
        faults.append(f"promtool {name}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def check_tests(groups: list[str], rules: list[dict[str, Any]]) -> None:
    """Each alert fires in a case and does not in another; each record is compared with a value."""
    asked: list[tuple[str, list[dict[str, str]]]] = []
    compared: set[str] = set()
    for path in TESTS:
        made = yaml.safe_load(path.read_text("utf-8"))
        # Without it promtool evaluates groups in a random order, and values differ from run to run.
        if made.get("group_eval_order") != groups:
            fault(path, f"group_eval_order is not [{', '.join(groups)}]")
        for test in made["tests"]:
            for case in test.get("alert_rule_test", []):
                labels = [alert["exp_labels"] for alert in case.get("exp_alerts") or []]
                asked.append((case["alertname"], labels))
            for case in test.get("promql_expr_test", []):
                if case["exp_samples"]:
                    compared.update(name for name, _ in Query.of(case["expr"]).selectors)
    for rule in rules:
        if "record" in rule:
            if rule["record"] not in compared:
                fault(RULES, f"{rule['record']}: no test compares it with a value")
            continue
        own = rule["labels"].items()
        fires = [
            any(own <= labels.items() for labels in alerts)
            for name, alerts in asked
            if name == rule["alert"]
        ]
        for wanted, text in ((True, "fires"), (False, "does not fire")):
            if wanted not in fires:
                fault(RULES, f"{rule['alert']} {dict(own)}: there is no case in which it {text}")
    names = {rule.get("alert") for rule in rules}
    for name in sorted({name for name, _ in asked} - names):
        fault(RULES, f"the tests ask for {name}, which is no alert")


def check_rules(metrics: Metrics) -> list[dict[str, Any]]:
    """The rules, after a look at each, and at the tests of all."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for group in groups:
        if "interval" not in group:
            fault(RULES, f"group {group['name']}: no interval")
        # The alerts count by it; see the comment of the group.
        if group["name"] == "sidegate-rates" and group["interval"] != "30s":
            fault(RULES, "the alerts multiply by 30, so the interval of sidegate-rates is 30s")
    for rule in rules:
        if "record" in rule:
            metrics.record(rule["record"])
    for rule in rules:
        name = rule.get("record") or rule["alert"]
        query = metrics.judge(RULES, name, rule["expr"])
        if "record" in rule:
            continue
        notes = rule.get("annotations", {})
        for key in ("summary", "description", "runbook_url"):
            if not notes.get(key):
                fault(RULES, f"{name}: no {key}")
        if notes.get("runbook_url") != RUNBOOK_URL + name:
            fault(RULES, f"{name}: runbook_url is not {RUNBOOK_URL}{name}")
        if not (RUNBOOKS / f"{name}.md").is_file():
            fault(RULES, f"{name}: no runbooks/{name}.md")
        if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
            fault(RULES, f"{name}: severity is page or ticket")
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(notes)):
            if label not in metrics.left(query) | set(rule["labels"]):
                fault(RULES, f"{name}: an annotation has the label `{label}`, the alert has not")
    check_tests([group["name"] for group in groups], rules)
    return rules


def check_panel(path: Path, metrics: Metrics, panel: dict[str, Any], variables: set[str]) -> None:
    what = f"panel {panel['title']!r}"
    if len(panel.get("description", "")) < 40:
        fault(path, f"{what}: no description of what to do")
    if not panel["fieldConfig"]["defaults"].get("unit"):
        fault(path, f"{what}: no unit")
    for part in [panel, *panel["targets"]]:
        if part.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            fault(path, f"{what}: the datasource is not the variable")
    for target in panel["targets"]:
        expr = target["expr"]
        query = metrics.judge(path, what, expr)
        for name, matchers in query.selectors:
            wanted = {"namespace": "=~$namespace", "job": "=~$job"}
            if not metrics.is_recorded(name) and name != "up":
                wanted["instance"] = "=~$instance"
            chosen = {key: value for key, value in matchers.items() if key in TARGET_LABELS}
            # Objectives are one number; the jobs that are Sidegate's are matched against `up`.
            if chosen != wanted and name not in (
                "sidegate:slo:error_budget",
                "sidegate:slo:latency_budget",
                "sidegate:instances:count",
            ):
                fault(path, f"{what}: `{name}` is chosen by {chosen}, not by the variables")
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            if label not in metrics.left(query):
                fault(path, f"{what}: the legend names `{label}`, which the result does not have")
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([panel["targets"], panel.get("repeat", "")])))
    used |= {panel["repeat"]} if "repeat" in panel else set()
    for name in sorted(used - variables - {"__rate_interval"}):
        fault(path, f"{what}: no variable `{name}`")


def check_dashboard(path: Path, metrics: Metrics) -> str:
    text = path.read_text("utf-8")
    if len(text.encode()) > LARGEST:
        fault(path, f"larger than {LARGEST} bytes")
    made = json.loads(text)
    if not isinstance(made.get("schemaVersion"), int) or made["schemaVersion"] < 36:
        fault(path, "schemaVersion is missing or old")
    variables = {one["name"]: one for one in made["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        fault(path, "no variable `datasource`")
    for name in ("namespace", "job", "instance"):
        if name not in variables:
            fault(path, f"no variable `{name}`")
    for name, one in variables.items():
        if one["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"])
            if asked is None:
                fault(path, f"variable {name}: not of the form label_values(METRIC, LABEL)")
                continue
            query = metrics.judge(path, f"variable {name}", asked[1])
            if asked[2] not in metrics.left(query):
                fault(path, f"variable {name}: no label `{asked[2]}`")
    panels = made["panels"]
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        fault(path, "two panels have one id")
    places = [(panel["title"], panel["gridPos"]) for panel in panels]
    for title, one in places:
        if one["x"] < 0 or one["x"] + one["w"] > 24:
            fault(path, f"panel {title!r} is wider than the page")
    for (title, one), (other, two) in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= two["x"]
            or two["x"] + two["w"] <= one["x"]
            or one["y"] + one["h"] <= two["y"]
            or two["y"] + two["h"] <= one["y"]
        )
        if not apart:
            fault(path, f"panels {title!r} and {other!r} overlap")
    for panel in panels:
        if panel["type"] != "row":
            check_panel(path, metrics, panel, set(variables))
    return str(made["uid"])


def expressions(path: Path) -> Iterator[tuple[str, str]]:
    """The expressions of a dashboard as rules, which promtool reads, named by where they stand."""
    for panel in json.loads(path.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$__rate_interval", "5m")
            yield f"{path.stem}:panel_{panel['id']}:{target['refId']}", expr


def check_dashboards(program: Path, out: Path, metrics: Metrics) -> None:
    done = subprocess.run(
        [sys.executable, "-B", DASHBOARDS / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        faults.append(f"generate.py --check: {done.stderr or done.stdout}")
    paths = sorted(DASHBOARDS.glob("*.json"))
    uids = [check_dashboard(path, metrics) for path in paths]
    if not paths or len(set(uids)) != len(uids):
        fault(DASHBOARDS, "no dashboards, or two with one uid")
    rules = [{"record": name, "expr": expr} for path in paths for name, expr in expressions(path)]
    written = out / "dashboards.rules.yaml"
    written.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}), "utf-8")
    promtool(program, out, ["check", "rules", str(written)])


def code_of(text: str) -> Iterator[str]:
    """Blocks and spans of code of a Markdown text."""
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def check_references(metrics: Metrics, alerts: set[str]) -> None:
    """Nothing that a text names is missing."""
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = {"help"}
    for names in re.findall(r"^\| `sidegate ([a-z|]+)", readme, re.M):
        commands.update(names.split("|"))
    settings = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", readme, re.M))
    groups = {name.split(".")[0] for name in settings}
    runbooks = {path.stem for path in RUNBOOKS.glob("*.md")}
    titles = {
        json.loads(path.read_text("utf-8"))["title"].split(" / ")[1].split()[0].rstrip(",")
        for path in DASHBOARDS.glob("*.json")
    }
    linked: set[str] = set()
    texts = [*RUNBOOKS.glob("*.md"), MONITORING / "README.md"]
    for path in sorted(texts):
        text = path.read_text("utf-8")
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in link and not (path.parent / link).exists():
                fault(path, f"the link {link} leads nowhere")
            if path.parent == MONITORING:
                linked.add(Path(link).stem)
        for name in re.findall(r"\bSidegate[A-Z]\w+", text):
            if name not in alerts:
                fault(path, f"{name} is no alert")
        for name in re.findall(r"\b(?:sidegate|process)_[a-z_]+\b|\bsidegate:(?!:)[\w:]+", text):
            if name not in metrics.labels and name not in metrics.families:
                fault(path, f"no metric `{name}`")
        for code in code_of(text):
            for name in re.findall(r"(?<![\w/.-])sidegate ([a-z]+)\b", code):
                if name not in commands:
                    fault(path, f"README.md has no command `sidegate {name}`")
            is_setting = re.fullmatch(r"[a-z]+\.[a-z]+", code) and code.split(".")[0] in groups
            if is_setting and code not in settings:
                fault(path, f"README.md has no setting `{code}`")
        for name in re.findall(r"\bdashboard ([A-Z]\w+)", text):
            if name not in titles:
                fault(path, f"no dashboard {name}")
        if path.parent == RUNBOOKS and "## First look\n\n```sh\n" in text:
            look = text.split("## First look\n\n```sh\n")[1].split("```")[0]
            if "sidegate doctor" not in look:
                fault(path, "the first look has no `sidegate doctor`")
        elif path.parent == RUNBOOKS:
            fault(path, "no first look")
    for name in sorted(runbooks - linked):
        fault(MONITORING / "README.md", f"runbooks/{name}.md is not linked")
    for path in [RULES, *TESTS, *DASHBOARDS.glob("*.json"), *texts]:
        for name in re.findall(re.escape(RUNBOOK_URL) + r"(\w+)", path.read_text("utf-8")):
            if name not in runbooks:
                fault(path, f"{RUNBOOK_URL}{name} has no file")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promtool", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="the text of a scrape")
    parser.add_argument("--out", type=Path, required=True, help="a directory to write to")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    program = given.promtool.resolve()
    scrape = given.metrics.read_text("utf-8")
    metrics = Metrics.of(scrape)

    calls = [
        ["check", "rules", str(RULES)],
        ["check", "config", "--syntax-only", str(MONITORING / "prometheus.yaml")],
    ]
    calls += [["test", "rules", str(path)] for path in TESTS]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda call: promtool(program, out, call), calls))
    promtool(program, out, ["check", "metrics"], scrape)
    rules = check_rules(metrics)
    check_dashboards(program, out, metrics)
    check_references(metrics, {rule["alert"] for rule in rules if "alert" in rule})
    for text in faults:
        print(text, file=sys.stderr)
    if faults:
        print(f"{len(faults)} faults", file=sys.stderr)
        return 1
    print(
        f"{len(rules)} rules, {len(list(DASHBOARDS.glob('*.json')))} dashboards, "
        f"{len(list(RUNBOOKS.glob('*.md')))} runbooks: sound"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
