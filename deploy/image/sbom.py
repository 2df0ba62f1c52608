"""Prints the software bill of materials: every crate that is linked into Sidegate, as CycloneDX 1.6.

    python3 deploy/image/sbom.py [--target TRIPLE]

Crates that only build, test or measure are not in it, nor are those of other systems. It reads what
Cargo.lock says, and needs the sources of the crates as a build does. The time in it is
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
from typing import Any

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


def linked(metadata: Json) -> dict[str, list[str]]:
    """The ids of the root and of all that is linked into it, each with what it depends on."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: dict[str, list[str]] = {}
    waiting = [metadata["resolve"]["root"]]
    while waiting:
        this = waiting.pop()
        if this in found:
            continue
        found[this] = [
            dependency["pkg"]
            for dependency in nodes[this]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
        waiting += found[this]
    return found


def component(package: Json, checksums: dict[tuple[str, str], str]) -> Json:
    name, version = package["name"], package["version"]
    if not package["license"]:
        sys.exit(f"Cargo.lock: {name} {version} has no licence that can be named")
    purl = f"pkg:cargo/{name}@{urllib.parse.quote(version, safe='')}"
    described: Json = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        # Crates of old write `MIT/Apache-2.0`, which is no expression of SPDX.
        "licenses": [{"expression": package["license"].replace("/", " OR ")}],
    }
    if checksum := checksums.get((name, version)):
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    elif package["source"]:
        sys.exit(f"Cargo.lock: {name} {version} has no checksum")
    return described


def bill(target: str, made: int) -> bytes:
    metadata = json.loads(
        run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target)
    )
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {
        (package["name"], package["version"]): package["checksum"]
        for package in lock["package"]
        if "checksum" in package
    }
    edges = linked(metadata)
    components = {
        package["id"]: component(package, checksums)
        for package in metadata["packages"]
        if package["id"] in edges
    }
    refs = {identity: described["bom-ref"] for identity, described in components.items()}
    root = components.pop(metadata["resolve"]["root"])
    root["type"] = "application"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": shown(made), "component": root},
        "components": sorted(components.values(), key=lambda described: described["bom-ref"]),
        "dependencies": sorted(
            (
                {"ref": refs[identity], "dependsOn": sorted({refs[on] for on in needs})}
                for identity, needs in edges.items()
            ),
            key=lambda dependency: dependency["ref"],
        ),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the software bill of materials.")
    parser.add_argument("--target", default="x86_64-unknown-linux-gnu")
    sys.stdout.buffer.write(bill(parser.parse_args().target, epoch()))


if __name__ == "__main__":
    main()
