"""Makes the image: one static program on an empty root, as an OCI image layout.

    python3 deploy/image/build.py --out DIR [--binary PATH]... [--roots DIR]

Without `--binary` the program is compiled for the machine that this runs on. With it, once for each
architecture, the programs are taken as they are. Prints the digest of the image. Two runs on the same
source with the same tools give the same image, wherever the source lies: nothing in it depends on the
time, the user or the path. No daemon, no network and nothing beside Python, git and cargo is needed.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import struct
import subprocess
import sys
import tarfile
import tomllib
import zlib
from pathlib import Path

# Nothing is written beside the sources.
sys.dont_write_bytecode = True

from sbom import ROOT, Json, bill, epoch, run, shown

OCI = "application/vnd.oci.image"
# By the machine in the header of an ELF file: the architecture in the words of OCI, and the target.
MACHINES = {62: ("amd64", "x86_64-unknown-linux-gnu"), 183: ("arm64", "aarch64-unknown-linux-gnu")}
INTERPRETER = 3
USER = "65532:65532"
# What Debian's `ca-certificates` ships. The list of the machine, /etc/ssl/certs, would bring along
# whatever authority its administrator added.
ROOTS = "/usr/share/ca-certificates/mozilla"


def compile_program() -> Path:
    """Compiles the program for this machine, linked statically, without the paths of this machine."""
    targets = [target for _, target in MACHINES.values() if target.startswith(platform.machine())]
    if not targets:
        sys.exit(f"there is no image for {platform.machine()}")
    cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    out = ROOT / "target/image"
    moved = {str(ROOT): "/sidegate", cargo: "/cargo"}
    flags = ["-Ctarget-feature=+crt-static"]
    flags += [f"--remap-path-prefix={path}={name}" for path, name in moved.items()]
    environment = {
        **os.environ,
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_TARGET_DIR": str(out),
        "CFLAGS": " ".join(f"-ffile-prefix-map={path}={name}" for path, name in moved.items()),
    }
    command = ["cargo", "build", "--locked", "--release", "--bin", "sidegate", "--target", targets[0]]
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        sys.exit("the program cannot be compiled")
    return out / targets[0] / "release/sidegate"


def machine(program: bytes, path: Path) -> tuple[str, str]:
    """The architecture and target of a program, which has to run without any library."""
    if len(program) < 64 or program[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"{path}: is no program for Linux with 64 bits")
    kind = struct.unpack_from("<H", program, 18)[0]
    if kind not in MACHINES:
        sys.exit(f"{path}: is for a machine that there is no image for ({kind})")
    start, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    segments = [struct.unpack_from("<I", program, start + size * number)[0] for number in range(count)]
    if INTERPRETER in segments:
        sys.exit(f"{path}: is linked dynamically, and would find no library in the image")
    return MACHINES[kind]


def authorities(directory: Path) -> bytes:
    """The certificates of a directory in one file."""
    files = sorted(directory.glob("*.crt"))
    if not files:
        sys.exit(f"{directory}: has no certificates; install `ca-certificates`, or name a directory by --roots")
    return b"".join(file.read_bytes().rstrip(b"\n") + b"\n" for file in files)


def layer(files: dict[str, tuple[int, bytes]], made: int) -> bytes:
    """A tar of files, by path with mode and content, and of the directories that they need."""
    directories = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted([*directories, *files]):
            entry = tarfile.TarInfo(path)
            entry.mtime = made
            mode, content = files.get(path, (0o755, b""))
            entry.mode, entry.size = mode, len(content)
            entry.type = tarfile.DIRTYPE if path in directories else tarfile.REGTYPE
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def labels(made: int) -> dict[str, str]:
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    told = {
        "title": "Sidegate",
        "description": package["description"],
        "version": package["version"],
        "licenses": package["license"],
        "source": package["repository"],
        "created": shown(made),
    }
    # A source that was unpacked from an archive has no revision to tell.
    if (ROOT / ".git").exists():
        changed = run("git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
        told["revision"] = run("git", "rev-parse", "HEAD").strip() + ("-changed" if changed else "")
    return {f"org.opencontainers.image.{name}": value for name, value in sorted(told.items())}


class Layout:
    """An OCI image layout. It is written once it is whole."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def blob(self, kind: str, content: bytes) -> Json:
        """Takes a blob; gives what describes it."""
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    def write(self, directory: Path, index: Json) -> None:
        document = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [index]}
        blobs = directory / "blobs/sha256"
        blobs.mkdir(parents=True)
        for digest, content in self.blobs.items():
            (blobs / digest).write_bytes(content)
        (directory / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        (directory / "index.json").write_bytes(canonical(document))


def canonical(document: Json) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def image(layout: Layout, path: Path, roots: Path, told: dict[str, str], made: int) -> Json:
    """Adds the image of one architecture; gives what describes its manifest."""
    program = path.read_bytes()
    architecture, target = machine(program, path)
    tar = layer(
        {
            "etc/ssl/certs/ca-certificates.crt": (0o644, authorities(roots)),
            "sidegate": (0o755, program),
            "usr/share/sbom/sidegate.cdx.json": (0o644, bill(target, made)),
        },
        made,
    )
    config = {
        "architecture": architecture,
        "config": {"Entrypoint": ["/sidegate"], "Env": ["PATH=/"], "Labels": told, "User": USER, "WorkingDir": "/"},
        "created": shown(made),
        "history": [{"created": shown(made), "created_by": "deploy/image/build.py"}],
        "os": "linux",
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"], "type": "layers"},
    }
    config_blob = layout.blob("config.v1+json", canonical(config))
    manifest = {
        "annotations": told,
        "config": config_blob,
        # The header of gzip that zlib writes has neither time nor name.
        "layers": [layout.blob("layer.v1.tar+gzip", zlib.compress(tar, wbits=31))],
        "mediaType": f"{OCI}.manifest.v1+json",
        "schemaVersion": 2,
    }
    print(f"{architecture}: {config_blob['digest']}, {len(tar) >> 20} MiB", file=sys.stderr)
    platform_ = {"architecture": architecture, "os": "linux"}
    return layout.blob("manifest.v1+json", canonical(manifest)) | {"platform": platform_}


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the image.")
    parser.add_argument("--out", type=Path, required=True, help="where the layout is written")
    parser.add_argument("--binary", type=Path, action="append", help="a static program; one for each architecture")
    parser.add_argument("--roots", type=Path, default=Path(ROOTS), help="the certificates of public authorities")
    given = parser.parse_args()
    if given.out.exists() and any(given.out.iterdir()):
        sys.exit(f"{given.out}: is not empty")
    made = epoch()
    told = labels(made)
    layout = Layout()
    programs = given.binary or [compile_program()]
    manifests = [image(layout, path, given.roots, told, made) for path in programs]
    manifests.sort(key=lambda manifest: manifest["platform"]["architecture"])
    if len({manifest["platform"]["architecture"] for manifest in manifests}) != len(manifests):
        sys.exit("two programs are for the same architecture")
    document = {
        "annotations": told,
        "manifests": manifests,
        "mediaType": f"{OCI}.index.v1+json",
        "schemaVersion": 2,
    }
    index = layout.blob("index.v1+json", canonical(document))
    name = {"org.opencontainers.image.ref.name": told["org.opencontainers.image.version"]}
    layout.write(given.out, index | {"annotations": name})
    print(index["digest"])


if __name__ == "__main__":
    main()
