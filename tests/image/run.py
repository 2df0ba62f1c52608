"""Runs what an image holds, as its entrypoint and user say, with nothing else in its root.

    python tests/image/run.py --rootfs DIR --user UID --out DIR --bwrap PATH

check.py starts it, in a network of its own where it may bind the ports 53 and 443. It stands for what
a cluster has around a pod: DNS, an issuer with HTTPS, and the kubelet that mounts files and looks in.
"""

import argparse
import contextlib
import http.server
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "deploy/example/bundle"
SOCKET = "unix:/run/sidegate/sidegate.sock"
# The issuer of the example, and a name for the server itself.
ISSUER = "login.shop.test"
SELF = "sidegate.shop.test"
# The token service makes a client for HTTPS at the start, which needs the authorities of the image.
CONFIG = f"""\
bundle: {{directory: /etc/sidegate/bundle}}
decisions: {{address: "{SOCKET},127.0.0.1:9191"}}
drain: {{delay: 0s}}
log: {{format: json}}
pods: {{address: "127.0.0.1:4570", sts: "https://sts.shop.test"}}
"""
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
PATIENCE_S = 15


class Sandbox:
    """A container of the image: a root that nobody can write to, no capability, and some mounts."""

    def __init__(self, bwrap: Path, rootfs: Path, user: str, mounts: list[str]) -> None:
        run_directory = ["--bind", str(rootfs.parent / "run"), "/run/sidegate"]
        self.prefix = [
            *[str(bwrap), "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"],
            *["--uid", user, "--gid", user, "--cap-drop", "ALL", "--clearenv", "--die-with-parent"],
            *["--bind", str(rootfs), "/", "--proc", "/proc", "--dev", "/dev", *run_directory, *mounts],
            *["--remount-ro", "/", "--", "/sidegate"],
        ]

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the program beside the one that serves."""
        command = [*self.prefix, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)

    @contextlib.contextmanager
    def serve(self, log: Path) -> Iterator[int]:
        """Gives the process id of the server, once it is ready; sees that it ends well."""
        with log.open("w") as out:
            command = [*self.prefix, "serve", "--config", "/etc/sidegate/config/config.yaml"]
            outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            ready = ["healthcheck", "--address", "127.0.0.1:9193"]
            eventually(lambda: self.ask(*ready).returncode == 0, f"the server is not ready: {log}", outer)
            inner = only_child(only_child(outer.pid))
            yield inner
            os.kill(inner, 15)
            status = outer.wait(PATIENCE_S)
            expect(status == 0, f"after SIGTERM the server ended with {status}: {log}")
        finally:
            outer.kill()
            outer.wait()


def expect(holds: bool, fault: str) -> None:
    if not holds:
        sys.exit(f"tests/image/run.py: {fault}")


def eventually(holds: Callable[[], bool], fault: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        expect(time.monotonic() < end and server.poll() is None, fault)
        time.sleep(0.1)


def only_child(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def answer_names() -> None:
    """DNS on port 53, which knows the issuer and the server itself."""
    known = [b"".join(bytes([len(part)]) + part.encode() for part in [*name.split("."), ""]) for name in (ISSUER, SELF)]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def answer() -> None:
        while True:
            query, asker = server.recvfrom(512)
            # The name ends with a zero; then come type and class.
            end = query.index(0, 12) + 5
            is_known = query[12 : end - 4] in known
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + bytes([127, 0, 0, 1])
            answers = [record] if is_known and query[end - 4 : end - 2] == b"\0\1" else []
            flags = 0x8180 if is_known else 0x8183
            header = query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
            server.sendto(header + query[12:end] + b"".join(answers), asker)

    threading.Thread(target=answer, daemon=True).start()


def issue(directory: Path) -> Path:
    """An issuer on port 443, with keys; gives the certificate that vouches for it."""
    certificate, key, settings = (directory / name for name in ("issuer.crt", "issuer.key", "issuer.cnf"))
    settings.write_text(
        "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = more\n"
        f"[name]\nCN = {ISSUER}\n[more]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:{ISSUER}\n"
    )
    command: list[str | Path] = ["openssl", "req", "-x509", "-config", settings, "-days", "1", "-nodes"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (BUNDLE / "jwks.json").read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A caller that does not believe the certificate hangs up."""

    server = Server(("127.0.0.1", 443), Keys)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return certificate


def look_in(process: int, user: str) -> None:
    """What the kernel says of a server that runs."""
    about = Path(f"/proc/{process}")
    inside = sorted(os.listdir(about / "root"))
    expect(inside == ["dev", "etc", "proc", "run", "sidegate", "usr"], f"the root holds {inside}")
    mapped = set(re.findall(r" (/\S.*)", (about / "maps").read_text()))
    expect(len(mapped) == 1, f"the server has more than itself in its memory: {sorted(mapped)}")
    status = dict(line.split(":\t", 1) for line in (about / "status").read_text().splitlines() if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(int(status[name], 16) == 0, f"the server has capabilities: {name} {status[name]}")
    users = (about / "uid_map").read_text().split()
    expect(users[0] == user and users[2] == "1", f"the server runs as another user: {users}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs what an image holds.")
    for name in ("--rootfs", "--out", "--bwrap"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--user", required=True)
    given = parser.parse_args()

    out: Path = given.out.resolve()
    rootfs: Path = given.rootfs.resolve()
    config, fetching, name_server = out / "config", out / "fetching", out / "resolv.conf"
    for directory in (config, rootfs.parent / "run"):
        directory.mkdir()
    (config / "config.yaml").write_text(CONFIG)
    name_server.write_text("nameserver 127.0.0.1\nsearch shop.test\noptions ndots:5\n")
    shutil.copytree(BUNDLE, fetching)
    # A key set that no document names would be read as a document.
    (fetching / "jwks.json").unlink()
    issuer = fetching / "issuer.yaml"
    by_file, by_name = "jwks: {file: jwks.json}", f"jwks: {{url: https://{ISSUER}/keys, privateAddresses: true}}"
    expect(by_file in issuer.read_text(), f"{BUNDLE}/issuer.yaml does not say `{by_file}`")
    issuer.write_text(issuer.read_text().replace(by_file, by_name))
    answer_names()
    certificate = issue(out)

    def sandbox(bundle: Path, *more: str) -> Sandbox:
        mounts = {config: "/etc/sidegate/config", bundle: "/etc/sidegate/bundle", name_server: "/etc/resolv.conf"}
        binds = [word for path, at in mounts.items() for word in ("--ro-bind", str(path), at)]
        return Sandbox(given.bwrap, rootfs, given.user, [*binds, *more])

    image = sandbox(BUNDLE)
    settings = ["--config", "/etc/sidegate/config/config.yaml"]
    with image.serve(out / "serve.log") as server:
        look_in(server, given.user)
        # By the socket, by an address, and by names that DNS knows, whole and with the domain of the pod.
        targets = [SOCKET, "127.0.0.1:9191", f"{SELF}:9191", "sidegate:9191"]
        commands = [["healthcheck"], ["healthcheck", "--live"], ["doctor", *settings, "--format", "json"]]
        for arguments in commands + [["selftest", "--target", target] for target in targets]:
            done = image.ask(*arguments)
            expect(done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stdout}")
        done = image.ask("selftest", "--target", "sidegate.elsewhere.test:9191")
        expect(done.returncode == 1, f"a name that nobody has was found: {done.stdout}")

    # Keys of an issuer, over HTTPS: whom the image trusts, and where it looks.
    for name, expected, mounts in [
        ("stranger", "UnknownIssuer", []),
        ("trusted", "keys were fetched", ["--ro-bind", str(certificate), AUTHORITIES]),
    ]:
        log = out / f"{name}.log"
        with sandbox(fetching, *mounts).serve(log):
            end = time.monotonic() + PATIENCE_S
            while expected not in log.read_text():
                expect(time.monotonic() < end, f"{log} does not say `{expected}`")
                time.sleep(0.1)

    # Without any authority it does not come up, rather than trust nobody later.
    bare = sandbox(BUNDLE, "--tmpfs", "/etc/ssl").ask("serve", *settings)
    expect(bare.returncode == 1, f"the server starts without any authority: {bare.stdout}")
    print("the image runs")


if __name__ == "__main__":
    main()
