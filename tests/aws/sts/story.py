"""Temporary credentials as stock clients get and use them: a line of JSON for each step.

    python story.py SETTINGS

SETTINGS is a JSON object: `sts` and `s3` are ports, `jwt` is a file with a token of the issuer,
`elsewhere` the port of S3 behind a second sidecar that shares nothing but the keys that read.
"""

import base64
import hashlib
import hmac
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SETTINGS = json.loads(sys.argv[1])
REGION = "eu-west-1"
KEYS = {
    "ana": ("AKIAEXAMPLEANA000001", SETTINGS["secrets"]["ana"]),
    "ben": ("AKIAEXAMPLEBEN000001", SETTINGS["secrets"]["ben"]),
    "cleo": ("AKIAEXAMPLECLEO00001", SETTINGS["secrets"]["cleo"]),
    "dora": ("AKIAEXAMPLEDORA00001", SETTINGS["secrets"]["dora"]),
}
STS = f"http://127.0.0.1:{SETTINGS['sts']}"
S3 = f"http://s3.internal:{SETTINGS['s3']}"
HOME = "arn:aws:iam::210000000001:role"


def client(service, credentials, endpoint=None):
    key, secret, token = (*credentials, None)[:3]
    return boto3.client(
        service,
        endpoint_url=endpoint or (STS if service == "sts" else S3),
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )


def sts(credentials):
    return client("sts", credentials)


def of(response):
    credentials = response["Credentials"]
    return (
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
    )


def step(name, call):
    said = {"step": name}
    try:
        said["result"] = call()
    except ClientError as error:
        response = error.response
        said["error"] = response["Error"].get("Code")
        said["message"] = response["Error"].get("Message")
        said["status"] = response["ResponseMetadata"]["HTTPStatusCode"]
        said["request"] = bool(response["ResponseMetadata"].get("RequestId"))
    except Exception as error:  # what a client raises for an answer that it cannot read
        said["raised"] = repr(error)
    print(json.dumps(said), flush=True)


def totp(seed, step_of=0):
    counter = struct.pack(">q", int(time.time()) // 30 + step_of)
    mac = hmac.new(base64.b32decode(seed), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    number = struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 1000000:06}"


def get(credentials, key, bucket="photos", endpoint=None):
    body = client("s3", credentials, endpoint).get_object(Bucket=bucket, Key=key)["Body"]
    return body.read().decode()


def assume(credentials, role, name="job", **options):
    arn = role if role.startswith("arn:") else f"{HOME}/{role}"
    return sts(credentials).assume_role(RoleArn=arn, RoleSessionName=name, **options)


ana, ben, cleo, dora = (KEYS[who] for who in ("ana", "ben", "cleo", "dora"))

# What there is.
store = client("s3", ana)
for bucket in ("photos", "confidential", "guests"):
    store.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
for key in ("research/1", "sales/1"):
    store.put_object(Bucket="photos", Key=key, Body=key.encode())

# Who am I?
step("identity of a user", lambda: {k: v for k, v in sts(cleo).get_caller_identity().items() if k != "ResponseMetadata"})
step("identity with a wrong secret", lambda: sts((cleo[0], "x" * 40)).get_caller_identity())
step("account of a key", lambda: sts(cleo).get_access_key_info(AccessKeyId=cleo[0])["Account"])
step("account of a key, denied", lambda: sts(ben).get_access_key_info(AccessKeyId=cleo[0]))

# A role that trusts a user.
reader = {}


def assume_reader():
    response = assume(cleo, "app/reader", DurationSeconds=7200)
    reader["credentials"] = of(response)
    user = response["AssumedRoleUser"]
    return [user["Arn"], user["AssumedRoleId"], response["Credentials"]["AccessKeyId"][:4]]


step("assume", assume_reader)
step("assume, denied", lambda: assume(ben, "app/reader"))
step("assume, no such role", lambda: assume(cleo, "app/nobody"))
step("assume, wrong path", lambda: assume(cleo, "reader"))
step("assume, too long", lambda: assume(cleo, "app/reader", DurationSeconds=43201))
step("assume, 72 hours", lambda: assume(cleo, "app/reader", DurationSeconds=259200))
step("read by a session", lambda: get(reader["credentials"], "research/1"))
step("write by a session", lambda: client("s3", reader["credentials"]).put_object(Bucket="photos", Key="x", Body=b""))
step("read behind another sidecar", lambda: get(reader["credentials"], "research/1", endpoint=f"http://s3.internal:{SETTINGS['elsewhere']}"))
step("identity of a session", lambda: sts(reader["credentials"]).get_caller_identity()["UserId"])
step("session token of a session", lambda: sts(reader["credentials"]).get_session_token())
step("federation token of a session", lambda: sts(reader["credentials"]).get_federation_token(Name="guest"))

# The token is the whole of it.
key, secret, token = reader["credentials"]
step("another secret", lambda: get((key, cleo[1], token), "research/1"))
step("another key", lambda: get(("ASIA" + "A" * 16, secret, token), "research/1"))
step("another token", lambda: get((key, secret, token[:-4] + "AAAA"), "research/1"))
step("no token", lambda: get((key, secret), "research/1"))
step("a long-term key with a token", lambda: get((*cleo, token), "research/1"))
presigned = client("s3", reader["credentials"])


def address():
    # Presigned with version 4, whatever the default of the client is.
    signer = boto3.client(
        "s3",
        endpoint_url=S3,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "research/1"})
    with urllib.request.urlopen(url) as response:
        return response.read().decode()


step("a signed address of a session", address)

# Session policies narrow, and never widen.
policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/sales/*"}]})
narrow = of(assume(cleo, "app/reader", Policy=policy))
step("within the session policy", lambda: get(narrow, "sales/1"))
step("outside the session policy", lambda: get(narrow, "research/1"))
step("beyond the role", lambda: client("s3", narrow).put_object(Bucket="photos", Key="sales/2", Body=b""))
managed = of(assume(cleo, "app/reader", PolicyArns=[{"arn": "arn:aws:iam::210000000001:policy/only-research"}]))
step("within the managed policy", lambda: get(managed, "research/1"))
step("outside the managed policy", lambda: get(managed, "sales/1"))
step("a policy that is none", lambda: assume(cleo, "app/reader", Policy='{"Version": "2012-10-17"}'))
step("a policy that is not there", lambda: assume(cleo, "app/reader", PolicyArns=[{"arn": "arn:aws:iam::210000000001:policy/none"}]))
many = [{"Key": f"k{at}", "Value": hashlib.sha512(str(at).encode()).hexdigest()} for at in range(50)]
step("tags that are too much", lambda: assume(cleo, "app/reader", Tags=many))
step("tags that differ by case", lambda: assume(cleo, "app/reader", Tags=[{"Key": "Dept", "Value": "a"}, {"Key": "dept", "Value": "b"}]))
step("a reserved tag", lambda: assume(cleo, "app/reader", Tags=[{"Key": "aws:x", "Value": "a"}]))
step("packed size", lambda: assume(cleo, "app/reader", Tags=[{"Key": "a", "Value": "b"}])["PackedPolicySize"])

# A chain, with a tag that goes all the way.
first = of(assume(cleo, "app/reader", SourceIdentity="cleo", Tags=[{"Key": "team", "Value": "research"}, {"Key": "floor", "Value": "4"}], TransitiveTagKeys=["team"]))
second = of(assume(first, "writer"))
third = of(assume(second, "archivist"))
step("the tag of the chain lets in", lambda: get(third, "research/1"))
step("and nowhere else", lambda: get(third, "sales/1"))
step("a transitive tag again", lambda: assume(first, "writer", Tags=[{"Key": "Team", "Value": "sales"}]))
step("another source identity", lambda: assume(first, "writer", SourceIdentity="ben"))
step("the same source identity", lambda: assume(first, "writer", SourceIdentity="cleo")["SourceIdentity"])
step("a chain is an hour", lambda: assume(first, "writer", DurationSeconds=7200))

# A second factor.
device, seed = "arn:aws:iam::210000000001:mfa/cleo", SETTINGS["seeds"]["cleo"]
step("administrator without a second factor", lambda: assume(cleo, "administrator"))
step("administrator with a wrong code", lambda: assume(cleo, "administrator", SerialNumber=device, TokenCode="000000"))
code = totp(seed)
administrator = {}


def become_administrator():
    response = assume(cleo, "administrator", SerialNumber=device, TokenCode=code)
    administrator["credentials"] = of(response)
    return response["AssumedRoleUser"]["Arn"]


step("administrator with a second factor", become_administrator)
step("the same code again", lambda: assume(cleo, "administrator", SerialNumber=device, TokenCode=code))
step("somebody else's device", lambda: assume(cleo, "administrator", SerialNumber="arn:aws:iam::210000000001:mfa/dora", TokenCode=totp(SETTINGS["seeds"]["dora"])))
for role in ("administrator", "nobody"):
    step(f"a code tells nothing of {role}", lambda: assume(ben, role, SerialNumber=device, TokenCode="000000"))
for _ in range(6):
    try:
        sts(ben).get_session_token(SerialNumber="arn:aws:iam::210000000001:mfa/dora", TokenCode="000000")
    except ClientError:
        pass
step("a role has no second factor", lambda: assume(administrator["credentials"], "administrator"))

# Three statements: dora lists and reads with a second factor only.
step("dora writes", lambda: bool(client("s3", dora).put_object(Bucket="photos", Key="dora/1", Body=b"dora")))
step("dora reads with her key", lambda: get(dora, "dora/1"))
plain = of(sts(dora).get_session_token(DurationSeconds=900))
step("dora reads without a second factor", lambda: get(plain, "dora/1"))
factor = of(sts(dora).get_session_token(SerialNumber="arn:aws:iam::210000000001:mfa/dora", TokenCode=totp(SETTINGS["seeds"]["dora"], 1)))
step("dora reads with a second factor", lambda: get(factor, "dora/1"))
step("dora lists with a second factor", lambda: client("s3", factor).list_objects_v2(Bucket="photos", Prefix="dora/")["KeyCount"])
step("dora deletes with a second factor", lambda: client("s3", factor).delete_object(Bucket="photos", Key="dora/1"))
step("identity of a session of a user", lambda: sts(factor).get_caller_identity()["Arn"])
step("a session token asks for no other", lambda: sts(factor).get_session_token())
step("a session of a user asks for 129601 s", lambda: sts(dora).get_session_token(DurationSeconds=129601))

# Another account, with its word; a service's role; a boundary.
deployer = "arn:aws:iam::310000000001:role/deployer"
step("external id", lambda: assume(cleo, deployer, ExternalId="unique-42")["AssumedRoleUser"]["Arn"])
step("another external id", lambda: assume(cleo, deployer, ExternalId="unique-43"))
step("no external id", lambda: assume(cleo, deployer))
step("external id without permission", lambda: assume(ben, deployer, ExternalId="unique-42"))
step("a service's role", lambda: assume(cleo, "worker"))
step("a service-linked role", lambda: assume(cleo, "linked"))
step("what the boundary lets through", lambda: client("s3", cleo).list_objects_v2(Bucket="photos")["KeyCount"] > 0)
step("what the boundary keeps", lambda: client("s3", cleo).list_objects_v2(Bucket="confidential"))

# Somebody outside.
guest = of(sts(cleo).get_federation_token(Name="guest"))
step("a guest without a policy", lambda: get(guest, "research/1"))
step("a guest whom the bucket names", lambda: client("s3", guest).list_objects_v2(Bucket="guests")["KeyCount"])
step("identity of a guest", lambda: [sts(guest).get_caller_identity()[name] for name in ("UserId", "Arn")])
step("a guest assumes nothing", lambda: assume(guest, "app/reader"))
step("a guest with a policy", lambda: get(of(sts(cleo).get_federation_token(Name="bob", Policy=policy)), "sales/1"))
step("a guest beyond its issuer", lambda: client("s3", of(sts(cleo).get_federation_token(Name="bob", Policy=policy.replace("photos/sales", "confidential")))).put_object(Bucket="confidential", Key="1", Body=b""))
step("a guest of whoever may not", lambda: sts(ben).get_federation_token(Name="guest"))

# A workload with the token of its issuer, by the environment alone.
with open(SETTINGS["jwt"], encoding="ascii") as file:
    jwt = file.read()
web = {"RoleArn": f"{HOME}/pod", "RoleSessionName": "cart", "WebIdentityToken": jwt}


def web_identity(**changes):
    response = sts(ben).assume_role_with_web_identity(**{**web, **changes})
    return [response[name] for name in ("SubjectFromWebIdentityToken", "Audience", "Provider")] + [response["AssumedRoleUser"]["Arn"]]


step("web identity", web_identity)
step("web identity for a role that does not trust it", lambda: web_identity(RoleArn=f"{HOME}/app/reader"))
step("web identity for no role", lambda: web_identity(RoleArn=f"{HOME}/nobody"))
step("web identity with another token", lambda: web_identity(WebIdentityToken=jwt[:-4] + "AAAA"))
with open(SETTINGS["expired"], encoding="ascii") as file:
    expired = file.read()
step("web identity past its end", lambda: web_identity(WebIdentityToken=expired))


def command(arguments, config="", **variables):
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "config")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH")},
            "HOME": home,
            "AWS_CONFIG_FILE": path,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_STS": STS,
            **variables,
        }
        ran = subprocess.run([SETTINGS["aws"], *arguments], env=environment, capture_output=True, text=True, check=False)
        return ran.stdout.strip() or ran.stderr.strip()


whoami = ["sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
step("the command line by its environment", lambda: command(whoami, AWS_ROLE_ARN=f"{HOME}/pod", AWS_WEB_IDENTITY_TOKEN_FILE=SETTINGS["jwt"], AWS_ROLE_SESSION_NAME="env"))
step("the command line lists by its environment", lambda: command(["s3", "--endpoint-url", S3, "ls", "s3://photos/research/"], AWS_ROLE_ARN=f"{HOME}/pod", AWS_WEB_IDENTITY_TOKEN_FILE=SETTINGS["jwt"])[-2:])
profile = f"""[profile base]
aws_access_key_id = {cleo[0]}
aws_secret_access_key = {cleo[1]}
[profile reader]
source_profile = base
role_arn = {HOME}/app/reader
role_session_name = profile
[profile process]
credential_process = {SETTINGS['process']}
"""
step("the command line by source_profile", lambda: command([*whoami, "--profile", "reader"], profile))
step("the command line by credential_process", lambda: command([*whoami, "--profile", "process"], profile))

# Why was it denied? Sealed for whoever may ask.
def sealed_reason():
    try:
        client("dynamodb", guest, f"http://dynamodb.internal:{SETTINGS['s3']}").list_tables()
    except ClientError as error:
        return error.response["Error"]["Message"].split("Encoded authorization failure message: ")[1]


sealed = sealed_reason()


def decoded(credentials, text):
    reason = json.loads(sts(credentials).decode_authorization_message(EncodedMessage=text)["DecodedMessage"])
    return [reason["allowed"], reason["explicitDeny"], reason["context"]["principal"]["arn"], reason["context"]["action"]]


step("a sealed reason", lambda: decoded(cleo, sealed))
step("a sealed reason, denied", lambda: decoded(ben, sealed))
step("a sealed reason, altered", lambda: decoded(cleo, sealed[:-4] + "AAAA"))
step("a token is no sealed reason", lambda: decoded(cleo, token[5:]))

# Credentials for pods, from a sidecar that cannot issue and asks.
pods = f"http://127.0.0.1:{SETTINGS['pods']}/v1/credentials"
container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": pods, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": SETTINGS["jwt"]}
step("a container by its environment", lambda: command(whoami, **container))
step("a container lists", lambda: command(["s3", "--endpoint-url", S3, "ls", "s3://photos/research/"], **container)[-2:])


def ask_pods(path="", **headers):
    request = urllib.request.Request(pods + path, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return [response.status, sorted(json.loads(response.read()))]
    except urllib.error.HTTPError as error:
        return [error.code, json.loads(error.read())["Code"]]


step("pods", lambda: ask_pods(Authorization=jwt))
step("pods without a token", lambda: ask_pods())
step("pods with a bearer", lambda: ask_pods(Authorization=f"Bearer {jwt}"))
step("pods with a forged token", lambda: ask_pods(Authorization=jwt[:-4] + "AAAA"))
step("pods with an expired token", lambda: ask_pods(Authorization=expired))
step("pods by another name", lambda: ask_pods(Authorization=jwt, Host="evil.example"))
step("pods through a proxy", lambda: ask_pods(Authorization=jwt, **{"X-Forwarded-For": "192.0.2.1"}))
step("pods from a page", lambda: ask_pods(Authorization=jwt, Origin="http://evil.example"))
step("pods by another path", lambda: ask_pods("/", Authorization=jwt))

# What has ended: a session of a second.
minted = json.loads(subprocess.run([*SETTINGS["process"].split(), "--duration", "1"], capture_output=True, check=True).stdout)
brief = (minted["AccessKeyId"], minted["SecretAccessKey"], minted["SessionToken"])
while True:
    try:
        sts(brief).get_caller_identity()
    except ClientError:
        break
step("a session that has ended", lambda: get(brief, "research/1"))
step("a session that has ended assumes", lambda: assume(brief, "writer"))
step("72 hours where the operator raised it", lambda: assume(cleo, deployer, ExternalId="unique-42", DurationSeconds=259200)["AssumedRoleUser"]["Arn"])
step("identity under a denial", lambda: sts(dora).get_caller_identity()["Arn"])


def with_code(arguments, config, code):
    """The command line asks at the terminal for the code of a second factor."""
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "config")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        pid, terminal = pty.fork()
        if pid == 0:
            environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")}
            environment |= {"HOME": home, "AWS_CONFIG_FILE": path, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL_STS": STS}
            os.execve(SETTINGS["aws"], [SETTINGS["aws"], *arguments], environment)
        said = b""
        asked = False
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                part = b""
            if not part:
                break
            said += part
            if not asked and b"MFA code" in said:
                os.write(terminal, code.encode() + b"\n")
                asked = True
        os.waitpid(pid, 0)
        return [asked, said.decode().strip().splitlines()[-1]]


factor_profile = profile + f"""[profile factor]
source_profile = base
role_arn = {HOME}/administrator
role_session_name = factor
mfa_serial = {device}
"""
step("the command line with mfa_serial", lambda: with_code([*whoami, "--profile", "factor"], factor_profile, totp(seed, 1)))

# The protocol itself.


def raw(query, body=None, headers=None):
    request = urllib.request.Request(f"{STS}/{query}", data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as response:
            return [response.status, ""]
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return [error.code, text.split("<Code>")[1].split("</Code>")[0]]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
for name, body in {
    "no action": b"Version=2011-06-15",
    "no version": b"Action=GetCallerIdentity",
    "another version": b"Action=GetCallerIdentity&Version=2010-05-08",
    "another action": b"Action=GetWebIdentityToken&Version=2011-06-15",
    "an unknown parameter": b"Action=GetCallerIdentity&Version=2011-06-15&X=1",
    "a parameter twice": b"Action=GetCallerIdentity&Version=2011-06-15&Version=2011-06-15",
    "a list with a gap": b"Action=AssumeRole&Version=2011-06-15&Tags.member.2.Key=a&Tags.member.2.Value=b",
    "unsigned": b"Action=GetCallerIdentity&Version=2011-06-15",
}.items():
    step(name, lambda: raw("", body, FORM))
step("a parameter in the query of a POST", lambda: raw("?Action=GetCallerIdentity", b"Version=2011-06-15", FORM))


def presigned_assume():
    url = sts(cleo).generate_presigned_url("assume_role", Params={"RoleArn": f"{HOME}/app/reader", "RoleSessionName": "x1"}, HttpMethod="GET")
    return raw(url[len(STS) + 1 :])


step("a signed address that assumes", presigned_assume)


def presigned_identity():
    url = sts(cleo).generate_presigned_url("get_caller_identity", HttpMethod="GET")
    return raw(url[len(STS) + 1 :])


step("a signed address that asks who", presigned_identity)

# Revoked: one token, and what was obtained with another.
with open(SETTINGS["tokens"], "w", encoding="ascii") as file:
    json.dump({"reader": reader["credentials"], "first": first, "third": third, "guest": guest}, file)
