"""Signs requests with botocore that nobody would send, a line of JSON each."""

import base64
import json
import random

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
PIECES = ["a", "B7", "-._~", "%20", "%2F", "%25", "%C3%BC", "%3A", ":", "@", "$", "!", "*", "'", "("]
chance = random.Random(7)


def segment(service):
    # Clients of S3 escape what is reserved, and botocore signs the path as it is.
    pieces = PIECES[:8] if service == "s3" else PIECES
    text = "".join(chance.choices(pieces, k=chance.randint(1, 4)))
    return text if text.replace("%2E", ".").strip(".") else "dots"


for number in range(2000):
    service = chance.choice(["s3", "orders"])
    in_query = chance.random() < 0.4
    method = chance.choice(["GET", "PUT", "POST", "DELETE"])
    host = chance.choice(["Orders.example.test", "orders.example.test:8080"])
    path = "/" + "/".join(segment(service) for _ in range(chance.randint(0, 4)))
    if service == "s3" and chance.random() < 0.3:
        path += "//c"
    pairs = [
        f"{chance.choice('abcXYZ')}{number % 7}={chance.choice(PIECES[:8])}"
        for _ in range(chance.randint(0, 3))
    ]
    url = f"http://{host}{path}" + ("?" + "&".join(pairs) if pairs else "")
    # botocore takes the body of an address for a form.
    has_body = method in ("PUT", "POST") and not in_query
    body = chance.randbytes(chance.randint(0, 30)) if has_body else b""
    headers = {"x-note": chance.choice(["one", "  two   words ", 'a "b  c" d', ""])}
    if not in_query:
        headers["content-type"] = "text/plain; charset=utf-8"
    request = AWSRequest(method, url, headers=headers, data=body)
    if in_query:
        kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
        kind(KEYS, service, "eu-1", expires=600).add_auth(request)
    else:
        (S3SigV4Auth if service == "s3" else SigV4Auth)(KEYS, service, "eu-1").add_auth(request)
    sent = request.prepare()
    fields = [["host", host]] + [
        [name, value.decode() if isinstance(value, bytes) else value]
        for name, value in sent.headers.items()
        if name.lower() != "host"
    ]
    print(
        json.dumps(
            {
                "method": method,
                "target": sent.url.split(host, 1)[1],
                "headers": fields,
                "body_base64": base64.b64encode(body).decode(),
                "service": service,
                "in_query": in_query,
                "at": request.context["timestamp"],
            }
        )
    )
