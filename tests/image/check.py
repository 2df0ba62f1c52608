"""Checks the image that deploy/image/build.py makes of a program, and runs it.

    python tests/image/check.py --binary PATH --out DIR --umoci PATH --bwrap PATH

PATH of `--binary` is the program, linked statically; DIR has to be empty or missing, and gets all that is
written. Needs what `pip` and `deb` of tests/parts.txt bring, and git, cargo, openssl and binutils. No
network and no daemon is asked.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing  # type: ignore[import-untyped]
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy/image/build.py"
RUN = ROOT / "tests/image/run.py"
# 2026-01-02T03:04:05Z, in place of the time of a commit.
MADE = 1767323045
OCI = "application/vnd.oci.image"
SBOM = "usr/share/sbom/sidegate.cdx.json"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
FILES = {"sidegate": 0o755, AUTHORITIES: 0o644, SBOM: 0o644}
LABELS = {"created", "description", "licenses", "source", "title", "version"}

Json = dict[str, Any]


def expect(holds: bool, fault: str) -> None:
    if not holds:
        sys.exit(f"tests/image/check.py: {fault}")


def run(*command: str | Path, status: int = 0, **more: Any) -> str:
    """What a command says; its complaints when it is to fail."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **more)
    words = " ".join(map(str, command))
    expect(done.returncode == status, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stderr if status else done.stdout)


def build(binary: Path, out: Path, umask: int = 0o022, status: int = 0, **variables: str) -> str:
    environment = {**os.environ, "CARGO_NET_OFFLINE": "true", "SOURCE_DATE_EPOCH": str(MADE), **variables}
    command: list[str | Path] = [sys.executable, "-B", BUILD, "--binary", binary, "--out", out]
    return run(*command, status=status, env=environment, umask=umask)


def tree(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def static(binary: Path) -> None:
    """What binutils says of the program."""
    segments, dynamic = run("readelf", "-lW", binary), run("readelf", "-dW", binary)
    expect("INTERP" not in segments, f"{binary}: readelf finds an interpreter")
    expect("NEEDED" not in dynamic, f"{binary}: readelf finds libraries\n{dynamic}")
    expect("DYN (Position-Independent" in segments, f"{binary}: is no position-independent program")


def refused(binary: Path, out: Path) -> None:
    """What cannot run in the image makes none."""
    for path, why in [(Path(sys.executable).resolve(), "is linked dynamically"), (BUILD, "is no program")]:
        told = build(path, out / "refused", status=1)
        expect(why in told, f"{path}: the image is refused with other words: {told}")
    told = build(binary, out / "one", status=1)
    expect("is not empty" in told, f"a directory that holds something is refused with other words: {told}")


class Image:
    """An image of a layout, by what the specification of OCI says of it."""

    def __init__(self, directory: Path) -> None:
        self.files = tree(directory)
        self.seen = {"index.json", "oci-layout"}
        expect(json.loads(self.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}, "oci-layout: another version")
        top = json.loads(self.files["index.json"])
        index = self.document(self.only(top["manifests"], "index.json"), "index.v1+json")
        described = self.only(index["manifests"], "the index")
        self.platform = described.pop("platform")
        manifest = self.document(described, "manifest.v1+json")
        self.config = self.document(manifest["config"], "config.v1+json", versioned=False)
        self.layer = gzip.decompress(self.blob(self.only(manifest["layers"], "the manifest"), "layer.v1.tar+gzip"))
        self.told = [index["annotations"], manifest["annotations"], self.config["config"]["Labels"]]
        expect(self.seen == set(self.files), f"files that nothing refers to: {sorted(set(self.files) - self.seen)}")

    def only(self, described: list[Json], where: str) -> Json:
        expect(len(described) == 1, f"{where}: describes {len(described)}, and not one")
        return described[0]

    def blob(self, described: Json, kind: str) -> bytes:
        digest, size = described["digest"], described["size"]
        path = f"blobs/{digest.replace(':', '/')}"
        content = self.files[path]
        self.seen.add(path)
        expect(described["mediaType"] == f"{OCI}.{kind}", f"{path}: is said to be {described['mediaType']}")
        expect(f"sha256:{hashlib.sha256(content).hexdigest()}" == digest, f"{path}: has another digest")
        expect(len(content) == size, f"{path}: has {len(content)} bytes, and {size} are said")
        return content

    def document(self, described: Json, kind: str, versioned: bool = True) -> Json:
        document: Json = json.loads(self.blob(described, kind))
        if versioned:
            expect(document["schemaVersion"] == 2, f"{described['digest']}: is no version 2")
            expect(document["mediaType"] == described["mediaType"], f"{described['digest']}: says another type")
        return document

    def check(self, architecture: str) -> None:
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        made = datetime.datetime.fromtimestamp(MADE, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        config = dict(self.config)
        settings = config.pop("config")
        labels = settings.pop("Labels")
        expect(self.platform == {"architecture": architecture, "os": "linux"}, f"the index says {self.platform}")
        expect((config["architecture"], config["os"]) == (architecture, "linux"), f"the config says {config}")
        expect(config["created"] == made, f"the config was created {config['created']}")
        diff = f"sha256:{hashlib.sha256(self.layer).hexdigest()}"
        expect(config["rootfs"] == {"type": "layers", "diff_ids": [diff]}, f"the config says {config['rootfs']}")
        # No command: what the charts pass is all that follows the entrypoint.
        expected = {"Entrypoint": ["/sidegate"], "Env": ["PATH=/"], "User": "65532:65532", "WorkingDir": "/"}
        expect(settings == expected, f"the config says {settings}")
        expect(all(told == labels for told in self.told), "index, manifest and config are labelled differently")
        labels = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
        revision = labels.pop("revision", None)
        expect(set(labels) == LABELS and all(labels.values()), f"the labels are {labels}")
        expect(labels["version"] == package["version"] and labels["created"] == made, f"the labels are {labels}")
        if (ROOT / ".git").exists():
            head = run("git", "rev-parse", "HEAD").strip()
            expect(revision is not None and revision.split("-")[0] == head, f"the revision is {revision}")

    def members(self) -> list[tarfile.TarInfo]:
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            members = tar.getmembers()
        names = [member.name for member in members]
        expect(names == sorted(set(names)), "the layer is not in order, or has something twice")
        for member in members:
            where = f"the layer: {member.name}"
            expect(member.mtime == MADE, f"{where} is of {member.mtime}")
            expect((member.uid, member.gid, member.uname, member.gname) == (0, 0, "", ""), f"{where} is not of root")
            expect(member.isdir() or member.isreg(), f"{where} is neither file nor directory")
            mode = 0o755 if member.isdir() else FILES.get(member.name)
            expect(member.mode == mode, f"{where} has the mode {member.mode:o}")
        return members


def unpacked(umoci: Path, layout: Path, version: str, out: Path) -> tuple[Path, str]:
    """Unpacks by umoci; gives the root and the user, and sees that the root holds what it has to."""
    run(umoci, "unpack", *([] if os.geteuid() == 0 else ["--rootless"]), "--image", f"{layout}:{version}", out)
    process = json.loads((out / "config.json").read_text())["process"]
    expect(process["args"] == ["/sidegate"] and process["cwd"] == "/", f"umoci starts {process['args']}")
    user, group = process["user"]["uid"], process["user"]["gid"]
    expect((user, group) == (65532, 65532), f"umoci runs it as {user}:{group}")
    rootfs = out / "rootfs"
    files = {str(path.relative_to(rootfs)) for path in rootfs.rglob("*") if not path.is_dir()}
    expect(files == set(FILES), f"the root holds {sorted(files)}")
    return rootfs, str(user)


def authorities(text: str) -> None:
    """The certificates can be read, and are those of the package alone."""
    own = Path("/usr/share/ca-certificates/mozilla").glob("*.crt")
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----\n.*?\n-----END CERTIFICATE-----\n", text, re.DOTALL)
    expected = [file.read_text().rstrip("\n") + "\n" for file in sorted(own)]
    expect(len(blocks) > 50 and blocks == expected, f"{AUTHORITIES}: has {len(blocks)} of {len(expected)} certificates")


def bill(text: str, target: str, program: bytes) -> None:
    """The bill of materials is CycloneDX, and names what cargo would build in, with licences and digests."""
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    expect(fault is None, f"{SBOM}: {fault}")
    document = json.loads(text)
    root, components = document["metadata"]["component"], document["components"]
    listing = run(
        *["cargo", "tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--no-dedupe"],
        *["--target", target, "--format", "{p}"],
    )
    linked = {tuple(line.split()[:2]) for line in listing.splitlines() if line}
    macros = {line.split()[0] for line in listing.splitlines() if "(proc-macro)" in line}
    billed = [(part["name"], f"v{part['version']}") for part in [root, *components]]
    expect(len(billed) == len(set(billed)), f"{SBOM}: has something twice")
    missing, more = sorted(linked - set(billed)), sorted(set(billed) - linked)
    expect(not missing and not more, f"{SBOM}: lacks {missing}, and has {more}, which nothing needs")
    excluded = {part["name"] for part in components if part["scope"] == "excluded"}
    expect(len(macros) > 5 and macros <= excluded, f"{SBOM}: says that {sorted(macros - excluded)} are linked")
    # Panics tell the file that they are in, and so the crate.
    told = set(re.findall(rb"/registry/src/[^/]+/([A-Za-z0-9_.+-]+)/", program))
    named = {f"{part['name']}-{part['version']}".encode() for part in components if part["scope"] == "required"}
    expect(len(told) > 20 and told <= named, f"{SBOM}: the program has parts of {sorted(told - named)}")

    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock}
    licensing = get_spdx_licensing()
    for part in [root, *components]:
        name, version = part["name"], part["version"]
        purl = PackageURL("cargo", None, name, version)
        expect(part["purl"] == part["bom-ref"] == purl.to_string(), f"{SBOM}: {name} has the purl {part['purl']}")
        licences = [licence["expression"] for licence in part.get("licenses", [])]
        unknown = [error for licence in licences for error in licensing.validate(licence).errors]
        expect(len(licences) == 1 and not unknown, f"{SBOM}: {name} has the licence {licences}: {unknown}")
        digests = [digest["content"] for digest in part.get("hashes", [])]
        checksum = checksums[name, version]
        expect(digests == ([checksum] if checksum else []), f"{SBOM}: {name} has the digests {digests}")
    refs = {part["bom-ref"] for part in [root, *components]}
    edges = {edge["ref"]: set(edge.get("dependsOn", [])) for edge in document["dependencies"]}
    expect(set(edges) == refs and set().union(*edges.values()) <= refs, f"{SBOM}: has edges to what is not in it")


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks the image.")
    for name in ("--binary", "--out", "--umoci", "--bwrap"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    binary, out, umoci, bwrap = (path.resolve() for path in (given.binary, given.out, given.umoci, given.bwrap))
    out.mkdir(parents=True, exist_ok=True)
    expect(not any(out.iterdir()), f"{out} is not empty")

    static(binary)
    told = build(binary, out / "one")
    copy = out / "copy"
    copy.write_bytes(binary.read_bytes())
    again = build(copy, out / "two", umask=0o077, TZ="Asia/Kolkata", LC_ALL="C", PYTHONHASHSEED="7")
    expect(told == again and tree(out / "one") == tree(out / "two"), f"two runs differ: {told} {again}")
    refused(binary, out)

    image = Image(out / "one")
    architecture, target = {
        "x86_64": ("amd64", "x86_64-unknown-linux-gnu"),
        "aarch64": ("arm64", "aarch64-unknown-linux-gnu"),
    }[os.uname().machine]
    image.check(architecture)
    image.members()
    rootfs, user = unpacked(umoci, out / "one", image.told[0]["org.opencontainers.image.version"], out / "bundle")
    expect((rootfs / "sidegate").read_bytes() == binary.read_bytes(), "the image holds another program")
    authorities((rootfs / AUTHORITIES).read_text())
    bill((rootfs / SBOM).read_text(), target, binary.read_bytes())

    # A network of its own, where port 53 is ours.
    (out / "run").mkdir()
    print(
        run(
            *[bwrap, "--unshare-user", "--unshare-net", "--uid", "0", "--gid", "0", "--die-with-parent"],
            *["--cap-add", "CAP_NET_BIND_SERVICE", "--dev-bind", "/", "/", "--"],
            *[sys.executable, "-B", RUN, "--rootfs", rootfs, "--user", user, "--out", out / "run", "--bwrap", bwrap],
        ),
        end="",
    )
    print("the image is well")


if __name__ == "__main__":
    main()
