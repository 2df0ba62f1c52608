"""Prints the software bill of materials: every crate that Sidegate is made of, as CycloneDX 1.6.

    python3 deploy/image/sbom.py [--target TRIPLE]

These are the dependencies that cargo chooses for the target by Cargo.lock and the features in use. Those
that build, test or measure are not in it. Procedural macros, and what only they need, have the scope
`excluded`: they write code while it is compiled, and are not linked. The time in it is
SOURCE_DATE_EPOCH, or else that of the commit.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]


def run(*command: str) -> str:
    """What a command says; the end of everything when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    return done.stdout


def epoch() -> int:
    """The time that everything made here bears, in seconds."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    if not given.isdecimal():
        sys.exit(f"SOURCE_DATE_EPOCH: `{given}` is no number of seconds")
    return int(given)


def shown(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Crate(NamedTuple):
    name: str
    version: str

    def purl(self) -> str:
        return f"pkg:cargo/{self.name}@{urllib.parse.quote(self.version, safe='')}"


class Graph:
    """What needs what, with the root first. `cargo metadata` would not do: it leaves out no crate that a
    feature nobody asks for would need."""

    def __init__(self, target: str, edges: str) -> None:
        self.licences: dict[Crate, str] = {}
        self.needs: dict[Crate, set[Crate]] = {}
        command = ["cargo", "tree", "--locked", "--target", target, "--edges", edges]
        above: list[Crate] = []
        for line in run(*command, "--prefix", "depth", "--format", "\t{p}\t{l}").splitlines():
            depth, package, licence = line.split("\t")
            name, version = package.split()[:2]
            crate = Crate(name, version.removeprefix("v"))
            # What was shown before, with all that it needs, is shown again with a star alone.
            self.licences[crate] = licence.removesuffix(" (*)")
            self.needs.setdefault(crate, set())
            above[int(depth) :] = [crate]
            if len(above) > 1:
                self.needs[above[-2]].add(crate)
        self.root = above[0]


def component(crate: Crate, licence: str, checksum: str | None, is_linked: bool) -> Json:
    if not licence:
        sys.exit(f"Cargo.lock: {crate.name} {crate.version} has no licence that can be named")
    described: Json = {
        "type": "library",
        "bom-ref": crate.purl(),
        "name": crate.name,
        "version": crate.version,
        "scope": "required" if is_linked else "excluded",
        # Crates of old write `MIT/Apache-2.0`, which is no expression of SPDX.
        "licenses": [{"expression": licence.replace("/", " OR ")}],
        "purl": crate.purl(),
    }
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


def bill(target: str, made: int) -> bytes:
    graph = Graph(target, "normal")
    linked = Graph(target, "normal,no-proc-macro").needs
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {Crate(package["name"], package["version"]): package.get("checksum") for package in lock}
    crates = sorted(graph.needs)
    parts = {crate: component(crate, graph.licences[crate], checksums[crate], crate in linked) for crate in crates}
    root = parts.pop(graph.root) | {"type": "application"}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": shown(made), "component": root},
        "components": list(parts.values()),
        "dependencies": [
            {"ref": crate.purl(), "dependsOn": [needed.purl() for needed in sorted(graph.needs[crate])]}
            for crate in crates
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the software bill of materials.")
    parser.add_argument("--target", default="x86_64-unknown-linux-gnu")
    sys.stdout.buffer.write(bill(parser.parse_args().target, epoch()))


if __name__ == "__main__":
    main()
