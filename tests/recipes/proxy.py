"""Runs a recipe of deploy/ with the real proxy, and asks it what a client would, and an attacker.

    python tests/recipes/proxy.py --proxy envoy|nginx|caddy|traefik --program PATH --sidegate PATH --out DIR

Of the recipe's files only the addresses are replaced, and the places where the proxy writes. Writes to
DIR alone, and listens on loopback alone. Exits with 1 and the rows that went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pwd import getpwuid

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

# What the example does not have: a service that nobody needs a name for, at one host, and a
# condition on the address of the caller.
MORE = """\
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: notices}
spec:
  prefix: notices
  account: "210000000001"
  region: eu-1
  hosts: [notices.test]
  resources:
    notice: {arn: "arn:aws:notices:${Region}:${Account}:notice/${NoticeId}", policy: own}
  routes:
    - {match: "GET /v1/notices/{NoticeId}", action: notices:GetNotice, resource: notice}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: notice}
spec:
  arn: arn:aws:notices:eu-1:210000000001:notice/1
  account: "210000000001"
  policy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: "*"
        Action: notices:GetNotice
        Resource: "*"
        Condition: {IpAddress: {"aws:SourceIp": 127.0.0.0/8}}
"""

OURS = ("x-sidegate-principal", "x-sidegate-account", "x-sidegate-session", "x-sidegate-decision-id")
BEN = "arn:aws:sts::210000000001:assumed-role/order-reader/ben"

Headers = list[tuple[str, str]]


def fail(message: str) -> None:
    sys.exit(f"proxy.py: {message}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Seen:
    """A call as it arrived at the upstream."""

    method: str
    target: str
    headers: Headers

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Upstream:
    """What is protected. It remembers each call until it is taken."""

    def __init__(self) -> None:
        seen: list[Seen] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                # Not `self.path`, in which the library has made one slash of several.
                method, target, _ = self.requestline.split(" ")
                seen.append(Seen(method, target, list(self.headers.items())))
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-length", "8")
                self.end_headers()
                if method != "HEAD":
                    self.wfile.write(b"upstream")

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                pass

        self.seen = seen
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self) -> list[Seen]:
        taken = list(self.seen)
        self.seen.clear()
        return taken


class Sidegate:
    """Sidegate on the example, with the door that the recipe asks where it is expected."""

    def __init__(self, program: Path, out: Path, door: str, by_grpc: bool) -> None:
        self.bundle = out / "bundle"
        self.admin = free_port()
        environment = {
            "SIDEGATE_HTTP_ADDRESS": "off" if by_grpc else door,
            "SIDEGATE_DECISIONS_ADDRESS": door if by_grpc else f"127.0.0.1:{free_port()}",
            "SIDEGATE_ADMIN_ADDRESS": f"127.0.0.1:{self.admin}",
            "SIDEGATE_BUNDLE_QUIET": "20ms",
        }
        command = [str(program), "serve", "--quickstart", "--bundle", str(self.bundle)]
        self.process = start(command, out / "sidegate.log", environment)
        wait_for("Sidegate", self.process, lambda: (self.bundle / ".sidegate/ben.jwt").exists())
        (self.bundle / "services/more.yaml").write_text(MORE)
        wait_for("the snapshot", self.process, lambda: b" 200 " in self.ask_admin("/readyz"))

    def ask_admin(self, path: str) -> bytes:
        request = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        return exchange(self.admin, request.encode())[0]

    def bearer(self, who: str) -> tuple[str, str]:
        return ("Authorization", "Bearer " + (self.bundle / f".sidegate/{who}.jwt").read_text().strip())


# All that was started, so that all of it is ended however the run ends.
started: list[subprocess.Popen[bytes]] = []


def start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **environment}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    started.append(process)
    return process


def wait_for(what: str, process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            fail(f"{what}: the process ended with {process.returncode}; see the logs")
        try:
            if is_there():
                return
        except OSError:
            pass
        time.sleep(0.02)
    fail(f"{what} did not come within 20 s; see the logs")


def exchange(port: int, request: bytes) -> tuple[bytes, float]:
    """The answer to `request` and how long it took."""
    begin = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    return answer, time.monotonic() - begin


# --- The proxies ---------------------------------------------------------------------------------


def replaced(file: Path, changes: dict[str, str]) -> str:
    text = file.read_text()
    for old, new in changes.items():
        if old not in text:
            fail(f"{file}: `{old}` is not in it any more")
        text = text.replace(old, new)
    return text


# A location that asks, and answers by `return`: see deploy/nginx/README.md.
TRAP = """
        location = /returned {
            auth_request /.sidegate;
            return 200 "open\\n";
        }
"""


def nginx_command(program: Path, out: Path, port: int, upstream: int, door: str) -> list[str]:
    changes = {
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "127.0.0.1:8081": f"127.0.0.1:{upstream}",
        "unix:/run/sidegate/http.sock": door,
        "/run/nginx.pid": str(out / "nginx.pid"),
        "/dev/stdout": str(out / "access.log"),
        # The workers of an nginx that root starts would be `nobody`, who has no way to the socket.
        "worker_processes auto;": f"worker_processes 1;\nuser {getpwuid(os.getuid()).pw_name};",
        "http {\n": "http {\n"
        + "".join(
            f"    {name}_temp_path {out}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        "        # The question.": TRAP + "\n        # The question.",
    }
    config = out / "nginx.conf"
    config.write_text(replaced(DEPLOY / "nginx/nginx.conf", changes))
    return [str(program), "-p", str(out), "-c", str(config), "-g", "daemon off;"]


def caddy_command(program: Path, out: Path, port: int, upstream: int, door: str) -> list[str]:
    changes = {
        "http://:8080": f"http://:{port}",
        "127.0.0.1:8081": f"127.0.0.1:{upstream}",
        "unix//run/sidegate/http.sock": door.replace("unix:", "unix/", 1),
    }
    config = out / "Caddyfile"
    config.write_text(replaced(DEPLOY / "caddy/Caddyfile", changes))
    return [str(program), "run", "--adapter", "caddyfile", "--config", str(config)]


def traefik_command(program: Path, out: Path, port: int, upstream: int, door: str) -> list[str]:
    dynamic, static = out / "dynamic.yaml", out / "traefik.yaml"
    changes = {"127.0.0.1:9192": door, "127.0.0.1:8081": f"127.0.0.1:{upstream}"}
    dynamic.write_text(replaced(DEPLOY / "traefik/dynamic.yaml", changes))
    changes = {"127.0.0.1:8080": f"127.0.0.1:{port}", "/etc/traefik/dynamic.yaml": str(dynamic)}
    static.write_text(replaced(DEPLOY / "traefik/traefik.yaml", changes))
    return [str(program), f"--configFile={static}"]


def envoy_command(program: Path, out: Path, port: int, upstream: int, door: str) -> list[str]:
    main = DEPLOY / "envoy/envoy.yaml"
    text = replaced(
        main,
        {
            "port_value: 9901": f"port_value: {free_port()}",
            "port_value: 10000": f"port_value: {port}",
            "port_value: 8081": f"port_value: {upstream}",
            "/run/sidegate/sidegate.sock": door.removeprefix("unix:"),
        },
    )
    # With the second file of the recipe in place of the routes of the first.
    routes = (DEPLOY / "envoy/envoy-routes.yaml").read_text()
    key = "                route_config:\n"
    before, _, rest = text.partition(key)
    _, _, after = rest.partition("\n  clusters:\n")
    indented = "".join(f"                  {line}" for line in routes.splitlines(keepends=True))
    config = out / "envoy.yaml"
    config.write_text(f"{before}{key}{indented}\n  clusters:\n{after}")
    return [
        str(program),
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
        "--concurrency",
        "1",
        "-c",
        str(config),
    ]


@dataclass(frozen=True)
class Proxy:
    # Writes the recipe with other addresses, and says how it is run.
    command: Callable[[Path, Path, int, int, str], list[str]]
    # It asks a Unix socket.
    by_socket: bool
    # It speaks gRPC to the decisions door.
    by_grpc: bool
    # The longest that a call may take while Sidegate does not answer.
    patience: float


PROXIES = {
    "envoy": Proxy(envoy_command, True, True, 2.0),
    "nginx": Proxy(nginx_command, True, False, 1.0),
    "caddy": Proxy(caddy_command, True, False, 1.0),
    # Traefik waits for 30 s, and nothing sets another time.
    "traefik": Proxy(traefik_command, False, False, 35.0),
}


# --- The table -----------------------------------------------------------------------------------

DENIED = {400, 401, 403, 404, 405}


@dataclass(frozen=True)
class Row:
    """One call. `reaches` are the targets with which it may arrive at the upstream, if it may at all."""

    name: str
    target: str
    status: set[int]
    headers: Headers = field(default_factory=list)
    method: str = "GET"
    host: str = "shop.test"
    reaches: frozenset[str] = frozenset()
    principal: str | None = None
    body: bytes = b""


def forged() -> Headers:
    """Every spelling of our headers that an upstream could take for ours."""
    forgeries: Headers = []
    for name in (*OURS, "x-sidegate-request-id"):
        words = name.split("-")
        for marks in range(2 ** (len(words) - 1)):
            mixed = words[0] + "".join(
                ("_" if marks >> n & 1 else "-") + word for n, word in enumerate(words[1:])
            )
            forgeries += [(mixed, "forged"), (mixed.upper(), "forged"), (mixed.title(), "forged")]
    return forgeries


DASHED = [(name, value) for name, value in forged() if "_" not in name]
UNDERSCORED = [(name, value) for name, value in forged() if "_" in name]

ORDER = frozenset({"/v1/orders/7"})


def allowed(name: str, headers: Headers) -> Row:
    return Row(name, "/v1/orders/7", {200}, headers, reaches=ORDER, principal=BEN)


# Paths that somebody could read as another than they are written. Ben reads the order 7 and never a
# sealed one: whatever a proxy makes of these, it arrives as the former or not at all.
TRICKS = [
    "/v1/orders/x/../7", "/v1/orders/x/../sealed-1", "/v1/orders/./7", "/v1/orders/7/../sealed-1",
    "/v1/orders/%2e%2e/orders/7", "/v1/orders/7/%2e%2e/sealed-1", "/v1/orders/7/..%2fsealed-1",
    "/v1/orders/..;/orders/sealed-1", "/v1/orders/7;/../sealed-1", "/v1//orders/7", "//v1/orders/7",
    "//v1/orders/sealed-1", "/v1/orders//sealed-1", "/v1/orders/a%2Fb", "/v1/orders/a%2fb", "/v1/orders/a%5Cb",
    "/v1/orders/7\\..\\sealed-1", "/v1/orders/a%00b", "/v1/orders/a%0ab", "/v1/orders/a%252fb",
    "/v1/orders/%252e%252e/orders/sealed-1", "/v1/orders/%", "/v1/orders/%zz", "/v1/orders/%c0%af",
    "/v1/orders/%73ealed-1", "/v1/orders/sealed-1", "/v1/orders/sealed-1;a=b", "/v1/orders/7;a=b",
    "/v1/orders/sealed-1/", "/v1/orders/sealed-1.", "/V1/orders/sealed-1", "/v1/orders/sealed-1#/../7",
    "/v1/orders/7#/../sealed-1", "/v1/orders/*", "*", "http://shop.test/v1/orders/sealed-1",
    "http://shop.test//v1/orders/sealed-1", "http://shop.test/v1/orders/7/../sealed-1", "v1/orders/sealed-1",
    "/healthz/../v1/orders/sealed-1", "/healthz/%2e%2e/v1/orders/sealed-1", "/healthz/..%2fv1/orders/sealed-1",
]  # fmt: skip

# Paths that a proxy could take for the one that is never asked about.
NEARLY_HEALTH = [
    "/v1/orders/../../healthz", "//healthz", "/healthz/", "/healthz/.", "/./healthz", "/healthz;a=b", "/%68ealthz",
    "/healthz%2f..%2fv1/orders/7", "/healthz/../v1/orders/7", "/HEALTHZ", "http://shop.test/healthz", "/healthz?a=b",
    "/v1/orders/7?/healthz", "/healthz#/v1/orders/7",
]  # fmt: skip

# Headers by which some upstreams read another call than the one that came.
OVERRIDES = [
    ("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "DELETE"), ("X-Method-Override", "DELETE"),
    ("X-Original-URL", "/v1/orders/sealed-1"), ("X-Rewrite-URL", "/v1/orders/sealed-1"),
    ("X-Original-Method", "DELETE"), ("X-Original-URI", "/v1/orders/sealed-1"), ("X-Forwarded-Prefix", "/a"),
    ("X-Forwarded-Uri", "/v1/orders/sealed-1"), ("X-Forwarded-Method", "DELETE"),
    ("Forwarded", "for=203.0.113.9;host=other.test"),
]  # fmt: skip

# What a client would have to be believed about, to be let in where it is not.
PRETENCE = [
    ("X-Forwarded-Uri", "/v1/orders/7"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "shop.test"),
    ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "127.0.0.1"), ("X-Original-URL", "http://shop.test/v1/orders/7"),
    ("X-Original-URI", "/v1/orders/7"), ("X-Original-Method", "GET"), ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
]  # fmt: skip


def table(bearer: Callable[[str], tuple[str, str]], name: str) -> list[Row]:
    ben, ana, mallory = [bearer("ben")], [bearer("ana")], [bearer("mallory")]
    notice = frozenset({"/v1/notices/1"})
    health = frozenset({"/healthz", "/healthz?a=b"})
    rows = [
        allowed("allowed", ben),
        Row("allowed with a query", "/v1/orders/7?a=%2F&b=/../c", {200}, ben,
            reaches=frozenset({"/v1/orders/7?a=%2F&b=/../c"}), principal=BEN),
        Row("HEAD that nothing maps", "/v1/orders/7", {403}, ben, "HEAD"),
        Row("denied", "/v1/orders/sealed-1", {403}, ben),
        Row("denied by method", "/v1/orders/7", {403}, ben, "DELETE"),
        Row("a clerk deletes", "/v1/orders/7", {200}, ana, "DELETE", reaches=ORDER,
            principal=BEN.replace("reader/ben", "clerk/ana")),
        Row("a clerk creates, with a body", "/v1/orders", {200}, [*ana, ("Content-Length", "5")], "POST",
            reaches=frozenset({"/v1/orders"}), principal=BEN.replace("reader/ben", "clerk/ana"), body=b"hello"),
        Row("a body that is not for him", "/v1/orders", {403}, [*ben, ("Content-Length", "5")], "POST", body=b"hello"),
        Row("nobody vouches for the token", "/v1/orders/7", {401}, mallory),
        Row("no credential", "/v1/orders/7", {401, 403}),
        Row("two credentials", "/v1/orders/7", {400, 401, 403}, ben + mallory),
        Row("nothing maps it", "/v1/nothing", {403}, ben),
        allowed("forged identity, dashes", ben + DASHED),
        Row("forged identity, underscores", "/v1/orders/7", {200, 400}, ben + UNDERSCORED,
            reaches=ORDER, principal=BEN),
        Row("an anonymous call", "/v1/notices/1", {200}, [], host="notices.test", reaches=notice),
        Row("an anonymous call with a forged identity", "/v1/notices/1", {200}, DASHED,
            host="notices.test", reaches=notice),
        Row("an anonymous call with underscores", "/v1/notices/1", {200, 400}, UNDERSCORED,
            host="notices.test", reaches=notice),
        Row("removed by Connection", "/v1/orders/7", {200, 400},
            [*ben, ("Connection", "close, " + ", ".join(OURS))], reaches=ORDER, principal=BEN),
        Row("removed by a second Connection", "/v1/orders/7", {200, 400},
            [*ben, ("Connection", "Upgrade"), ("Connection", "close, " + ", ".join(OURS))],
            reaches=ORDER, principal=BEN),
        Row("what the question is about, removed by Connection", "/v1/orders/sealed-1", {400, 401, 403},
            [*ben, ("Connection", "close, X-Forwarded-Uri, X-Original-Url, X-Forwarded-Method"), *PRETENCE]),
        Row("the credential, removed by Connection", "/v1/orders/7", {200, 400, 401, 403},
            [*ben, ("Connection", "close, Authorization")], reaches=ORDER, principal=BEN),
        Row("a forged address is not believed", "/v1/notices/1", {200},
            [("X-Forwarded-For", "203.0.113.9"), ("X-Real-IP", "203.0.113.9"), ("Forwarded", "for=203.0.113.9")],
            host="notices.test", reaches=notice),
        Row("another host", "/v1/notices/1", {403}, host="other.test"),
        Row("a host that is not forwarded", "/v1/notices/1", {403}, [("X-Forwarded-Host", "notices.test")],
            host="other.test"),
        Row("two hosts", "/v1/notices/1", {400, 403}, [("Host", "notices.test")], host="other.test"),
        Row("the host of an absolute form", "http://notices.test/v1/notices/1", {200, *DENIED},
            host="other.test", reaches=notice),
        Row("a host and the path in it", "/v1/orders/sealed-1", {400, 403}, ben, host="shop.test/v1/orders/7?"),
        allowed("overrides", ben + OVERRIDES),
        Row("a pretended path", "/v1/orders/sealed-1", {403}, ben + PRETENCE),
        Row("a pretended method", "/v1/orders/7", {403}, ben + PRETENCE, "DELETE"),
        Row("a pretended call without credential", "/v1/orders/7", {401, 403}, PRETENCE),
        Row("the door itself", "/.sidegate", DENIED, ben),
        Row("the door's path", "/authorize", DENIED, ben),
        Row("health", "/healthz", {200}, reaches=health),
        Row("health with a forged identity", "/healthz", {200}, DASHED, reaches=health),
        Row("health with underscores", "/healthz", {200, 400}, UNDERSCORED, reaches=health),
        Row("health with a credential", "/healthz", {200}, ben, reaches=health),
        Row("health by another method", "/healthz", DENIED, method="DELETE"),
    ]  # fmt: skip
    rows += [
        Row(f"trick {target}", target, {200, *DENIED}, ben, reaches=ORDER, principal=BEN) for target in TRICKS
    ]
    rows += [Row(f"nearly health {path}", path, {200, *DENIED}, reaches=health) for path in NEARLY_HEALTH]
    if name == "nginx":
        rows.append(Row("the trap: `return` answers before anybody is asked", "/returned", {200}))
    return rows


def ask(port: int, row: Row) -> tuple[int, bytes, float]:
    lines = [f"{row.method} {row.target} HTTP/1.1", f"Host: {row.host}"]
    if not any(name == "Connection" for name, _ in row.headers):
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in row.headers]
    answer, elapsed = exchange(port, ("\r\n".join(lines) + "\r\n\r\n").encode() + row.body)
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(status[1]) if status else 0, answer, elapsed


def faults(row: Row, status: int, answer: bytes, seen: list[Seen]) -> list[str]:
    found = []
    if status not in row.status:
        found.append(f"{status} for {sorted(row.status)}")
    if status == 200 and row.reaches and len(seen) != 1:
        found.append(f"{len(seen)} calls at the upstream")
    if seen and not (row.reaches and status == 200):
        found.append("it arrived at the upstream")
    for call in seen:
        found += faults_at_upstream(row, call, answer)
    return found


def faults_at_upstream(row: Row, call: Seen, answer: bytes) -> list[str]:
    found = []
    if call.target not in row.reaches or call.method != row.method:
        found.append(f"arrived as {call.method} {call.target}")
    if row.target.startswith("http://notices.test") and call.all("host") != ["notices.test"]:
        found.append(f"judged for notices.test, arrived for {call.all('host')}")
    asked = not call.target.startswith("/healthz")
    for name in OURS:
        values = [value for value in call.all(name) if value]
        if name == "x-sidegate-decision-id" and asked:
            is_right = len(values) == 1 and re.fullmatch(r"[0-9a-zA-Z-]{16,}", values[0]) is not None
        elif name == "x-sidegate-principal":
            is_right = values == ([row.principal] if row.principal else [])
        elif row.principal and asked:
            is_right = len(values) == 1 and values != ["forged"]
        else:
            is_right = values == []
        if not is_right:
            found.append(f"{name}: {values}")
    for key, value in call.headers:
        plain = key.lower().replace("_", "-")
        if plain.startswith("x-sidegate") and (key.lower() not in OURS or "forged" in value):
            found.append(f"a header of the client: {key}: {value}")
        if plain == "authorization":
            found.append("the credential was handed on")
        for name, told in OVERRIDES + PRETENCE:
            is_told = plain == name.lower() and value == told
            if is_told and (name, told) in row.headers and name in dict(OVERRIDES):
                found.append(f"an override of the client: {key}: {value}")
    return found


def run(name: str, program: Path, sidegate_program: Path, out: Path) -> list[str]:
    proxy = PROXIES[name]
    upstream, port, http = Upstream(), free_port(), free_port()
    door = f"unix:{out}/door.sock" if proxy.by_socket else f"127.0.0.1:{http}"
    if len(door) > 100:
        fail(f"`{out}` is too long for the path of a socket")
    try:
        sidegate = Sidegate(sidegate_program, out, door, proxy.by_grpc)
        command = proxy.command(program, out, port, upstream.port, door)
        process = start(command, out / "proxy.log", {})
        anonymous = Row("", "/v1/notices/1", {200}, host="notices.test")
        wait_for(name, process, lambda: ask(port, anonymous)[0] == 200)
        upstream.take()
        wrong: list[str] = []

        def judge(row: Row, patience: float = 30.0) -> None:
            status, answer, elapsed = ask(port, row)
            found = faults(row, status, answer, upstream.take())
            if elapsed > patience:
                found.append(f"it took {elapsed:.1f} s")
            lines.append({"row": row.name, "status": status, "seconds": round(elapsed, 3), "faults": found})
            wrong.extend(f"{row.name}: {fault}" for fault in found)

        lines: list[dict[str, object]] = []
        rows = table(sidegate.bearer, name)
        for row in rows:
            judge(row)
        server_errors = {500, 502, 503, 504}
        ben = [sidegate.bearer("ben")]
        sidegate.process.send_signal(signal.SIGSTOP)
        # The signal is on its way; this waits until every thread stands.
        os.waitpid(sidegate.process.pid, os.WUNTRACED)
        judge(Row("Sidegate is slow", "/v1/orders/7", server_errors, ben), proxy.patience)
        sidegate.process.send_signal(signal.SIGCONT)
        wait_for("an answer", sidegate.process, lambda: ask(port, rows[0])[0] == 200)
        upstream.take()
        sidegate.process.kill()
        sidegate.process.wait()
        judge(Row("Sidegate is gone", "/v1/orders/7", server_errors, ben), 2.0)
        judge(
            Row("Sidegate is gone, and nobody is named", "/v1/notices/1", server_errors, host="notices.test"),
            2.0,
        )
        judge(Row("Sidegate is gone, and health goes on", "/healthz", {200}, reaches=frozenset({"/healthz"})))
        (out / "rows.json").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
        print(f"{name}: {len(lines)} rows, {len(wrong)} wrong")
        return wrong
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        upstream.server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--proxy", choices=sorted(PROXIES), required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--sidegate", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    out = (given.out / given.proxy).resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    wrong = run(given.proxy, given.program.resolve(), given.sidegate.resolve(), out)
    if wrong:
        fail(f"deploy/{given.proxy}:\n  " + "\n  ".join(wrong) + f"\nlogs are in {out}")


if __name__ == "__main__":
    main()
