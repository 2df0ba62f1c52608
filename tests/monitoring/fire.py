#!/usr/bin/env python3
"""Waits until a shipped alert fires in a real Prometheus that scrapes a real Sidegate.

Prints `watching` once the target answers and its rates are known, then `firing` with the labels of
each alert, and ends with 0; or with 1 when `--timeout` is over. Needs PyYAML.

The rules are a copy in which time is short, and nothing else differs. Each `for`, range, offset and
interval becomes what `SHORT` says, and an age that is compared with `N * 60` seconds is compared
with `N / 10` of them; a duration that is not in `SHORT` is an error. Counts such as
`30 * sum_over_time(…)` come out too high by that: they only keep quiet services quiet. Ends of keys
are still compared with seven days.

What the caller has to see to: an alert that compares with a day before needs 20 s of usual traffic
after `watching`, and then the other one; SidegatePolicyStale needs a server whose `bundle.poll` is
half a second.
"""

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "monitoring" / "rules" / "sidegate.rules.yaml"
SHORT = {
    "30s": "200ms",
    "2m": "500ms",
    "5m": "2s",
    "10m": "3s",
    "15m": "4s",
    "30m": "5s",
    "1h": "6s",
    "2h": "8s",
    "6h": "10s",
    "1d": "15s",
    "3d": "20s",
}
SCRAPE = "200ms"


def shortened(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules with time as in `SHORT`. Names of series keep theirs: those are no durations."""
    for group in rules["groups"]:
        group["interval"] = SHORT[group["interval"]]
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = SHORT[rule["for"]]
            expr = re.sub(
                r"(\[|\boffset )(\w+)", lambda found: found[1] + SHORT[found[2]], rule["expr"]
            )
            rule["expr"] = re.sub(r"(> \d+) \* 60\b", r"\1 / 10", expr)
    return rules


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Prometheus:
    """A Prometheus on a port of the loopback that was free, and its HTTP API."""

    def __init__(self, program: Path, target: str, out: Path) -> None:
        rules = shortened(yaml.safe_load(RULES.read_text("utf-8")))
        (out / "rules.yaml").write_text(json.dumps(rules, indent=1), "utf-8")
        config = {
            "global": {
                "scrape_interval": SCRAPE,
                "scrape_timeout": SCRAPE,
                "evaluation_interval": SCRAPE,
            },
            "rule_files": [str(out / "rules.yaml")],
            "scrape_configs": [{"job_name": "sidegate", "static_configs": [{"targets": [target]}]}],
        }
        (out / "prometheus.yaml").write_text(json.dumps(config, indent=1), "utf-8")
        self.out = out
        # Somebody may take the port between the look and the start; then another one is tried.
        for _ in range(5):
            self.port = free_port()
            self.start(program)
            if self.is_up():
                return
            self.stop()
        sys.exit(f"{program} does not start; see {out / 'prometheus.log'}")

    def start(self, program: Path) -> None:
        with (self.out / "prometheus.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={self.out / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self.out / 'data'}",
                    "--log.level=warn",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.out,
            )

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def is_up(self) -> bool:
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2):
                    return True
            except OSError:
                time.sleep(0.1)
        return False

    def ask(self, path: str) -> Any:
        """What the API says; nothing when it does not answer in time."""
        if self.process.poll() is not None:
            sys.exit(f"Prometheus has ended; see {self.out / 'prometheus.log'}")
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=5
            ) as got:
                return json.load(got)["data"]
        except (TimeoutError, urllib.error.URLError):
            return None

    def has(self, expr: str) -> bool:
        data = self.ask("query?" + urllib.parse.urlencode({"query": expr}))
        return bool(data and data["result"])

    def firing(self, name: str) -> list[dict[str, str]]:
        data = self.ask("alerts") or {"alerts": []}
        return [
            alert["labels"]
            for alert in data["alerts"]
            if alert["labels"]["alertname"] == name and alert["state"] == "firing"
        ]


def wait(prometheus: Prometheus, alert: str, end: float) -> bool:
    watching = False
    while time.monotonic() < end:
        if not watching and prometheus.has("up == 1 and on (job) sidegate:decisions:rate5m"):
            print("watching", flush=True)
            watching = True
        found = prometheus.firing(alert)
        for labels in found:
            print("firing " + json.dumps(labels, sort_keys=True), flush=True)
        if found:
            return True
        time.sleep(0.2)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", type=Path, required=True)
    parser.add_argument("--target", required=True, help="HOST:PORT of the admin door")
    parser.add_argument("--alert", required=True)
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    parser.add_argument("--out", type=Path, required=True, help="an empty directory to write to")
    given = parser.parse_args()
    names = {
        rule.get("alert")
        for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    }
    if given.alert not in names:
        sys.exit(f"{RULES}: no alert {given.alert}")
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        sys.exit(f"{out}: is not empty")
    # Whoever ends this ends Prometheus as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    end = time.monotonic() + given.timeout
    prometheus = Prometheus(given.prometheus.resolve(), given.target, out)
    try:
        if wait(prometheus, given.alert, end):
            return 0
    finally:
        prometheus.stop()
    print(
        f"{given.alert} did not fire in {given.timeout:g} s; what Prometheus has is in {out}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
