"""What stock clients see: a line of JSON for each step, with its result or its error.

    python clients.py PORT SECRET_OF_ANA SECRET_OF_BEN
"""

import datetime
import json
import sys
import urllib.request

import boto3
import botocore.auth
import httpx
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

PORT, ANA, BEN = sys.argv[1:]
REGION = "eu-west-1"
KEYS = {
    "ana": ("AKIAEXAMPLEANA000001", ANA),
    "ana-inactive": ("AKIAEXAMPLEANA000002", ANA),
    "ana-wrong-secret": ("AKIAEXAMPLEANA000001", BEN),
    "ben": ("AKIAEXAMPLEBEN000001", BEN),
    "nobody": ("AKIAEXAMPLENOBODY001", ANA),
}
CONTENT = bytes(range(256)) * 64


def client(who, service="s3", style="path", region=REGION, **options):
    key, secret = KEYS[who]
    if service == "s3":
        options["s3"] = {"addressing_style": style}
    return boto3.client(
        service,
        endpoint_url=f"http://{service}.internal:{PORT}",
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, **options),
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


def read(s3, key, **options):
    return s3.get_object(Bucket="photos", Key=key, **options)["Body"].read()


def names(listing):
    return [entry["Key"] for entry in listing.get("Contents", [])]


def plain(url, method="GET", data=None, headers=None):
    headers = {"content-type": "image/png"} | (headers or {}) if data else headers or {}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return [answer.status, answer.read() == CONTENT]
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        code = text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else text
        return [error.code, code]


def object_store():
    ana, ben = client("ana"), client("ben")
    virtual = client("ana", style="virtual")
    odd = "a b/\u00fc+%2F/c~"
    here = {"LocationConstraint": REGION}
    create = lambda s3, name: s3.create_bucket(Bucket=name, CreateBucketConfiguration=here)
    step("create-bucket", lambda: bool(create(ana, "photos")))
    step("create-bucket-denied", lambda: create(ben, "bens"))
    step("list-buckets", lambda: [b["Name"] for b in ana.list_buckets()["Buckets"]])
    for key in ["public/1", "public/2", "private/1", odd, "folder/"]:
        step(f"put {key}", lambda: bool(ana.put_object(Bucket="photos", Key=key, Body=CONTENT)))
    step("get-odd-key", lambda: read(ana, odd) == CONTENT)
    step("get-virtual", lambda: read(virtual, "public/1") == CONTENT)
    step("put-virtual", lambda: bool(virtual.put_object(Bucket="photos", Key="public/3", Body=b"")))
    step("get-allowed", lambda: read(ben, "public/1") == CONTENT)
    step("get-denied", lambda: read(ben, "private/1"))
    step("get-sealed", lambda: read(ana, "sealed/1"))
    step("get-range", lambda: read(ben, "public/1", Range="bytes=0-9") == CONTENT[:10])
    step("head-denied", lambda: ben.head_object(Bucket="photos", Key="private/1"))
    step("head-allowed", lambda: ben.head_object(Bucket="photos", Key="public/1")["ContentLength"])
    listing = lambda s3, **options: names(s3.list_objects_v2(Bucket="photos", **options))
    step("list-allowed", lambda: listing(ben, Prefix="public/"))
    step("list-denied", lambda: listing(ben, Prefix="private/"))
    step("list-all-denied", lambda: listing(ben))
    step("list-versions", lambda: bool(ana.list_object_versions(Bucket="photos")))
    step("put-denied", lambda: ben.put_object(Bucket="photos", Key="public/4", Body=b"x"))
    step("put-inbox", lambda: bool(ben.put_object(Bucket="photos", Key="inbox/1", Body=CONTENT)))
    tagged = lambda team: ben.put_object(
        Bucket="photos", Key="inbox/2", Body=b"x", Tagging=f"team={team}"
    )
    step("put-tagged", lambda: bool(tagged("sales")))
    step("put-tagged-denied", lambda: tagged("support"))
    step(
        "put-acl-denied",
        lambda: ben.put_object(Bucket="photos", Key="inbox/3", Body=b"x", ACL="public-read"),
    )
    tag_set = lambda team: {"TagSet": [{"Key": "team", "Value": team}]}
    tagging = lambda team: ben.put_object_tagging(
        Bucket="photos", Key="inbox/1", Tagging=tag_set(team)
    )
    step("tag", lambda: bool(tagging("sales")))
    step("tag-denied", lambda: tagging("support"))
    copy = lambda s3, source, key: s3.copy_object(
        Bucket="photos", Key=key, CopySource={"Bucket": "photos", "Key": source}
    )
    step("copy", lambda: bool(copy(ben, "public/1", "inbox/4")))
    step("copied", lambda: read(ana, "inbox/4") == CONTENT)
    step("copy-odd-key", lambda: bool(copy(ana, odd, "public/odd")))
    step("copy-source-denied", lambda: copy(ben, "private/1", "inbox/5"))
    step("copy-sealed", lambda: copy(ana, "sealed/1", "public/5"))
    delete = lambda *keys: ana.delete_objects(
        Bucket="photos", Delete={"Objects": [{"Key": key} for key in keys]}
    )
    step("delete-several-sealed", lambda: delete("public/2", "sealed/1"))
    step("still-there", lambda: read(ben, "public/2") == CONTENT)
    step("delete-several", lambda: len(delete("public/2", "public/3")["Deleted"]))
    large = CONTENT * 400  # 6.5 MB, more than Envoy is told to show

    def multipart(s3, key):
        upload = s3.create_multipart_upload(Bucket="photos", Key=key)["UploadId"]
        parts = []
        for number, body in enumerate([large, CONTENT], start=1):
            part = s3.upload_part(
                Bucket="photos", Key=key, UploadId=upload, PartNumber=number, Body=body
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        s3.complete_multipart_upload(
            Bucket="photos", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        return read(ana, key) == large + CONTENT

    step("multipart", lambda: multipart(ben, "inbox/large"))
    step("multipart-denied", lambda: multipart(ben, "public/large"))
    step("bucket-acl-denied", lambda: ben.get_bucket_acl(Bucket="photos"))
    step("versioning", lambda: bool(ana.put_bucket_versioning(
        Bucket="photos", VersioningConfiguration={"Status": "Enabled"})))


def presigned():
    # boto3 signs addresses by version 2 unless it is told otherwise.
    ana, ben = client("ana"), client("ben", signature_version="s3v4")
    address = lambda s3, method, key, life=60: s3.generate_presigned_url(
        method, Params={"Bucket": "photos", "Key": key}, ExpiresIn=life
    )
    step("presigned-get", lambda: plain(address(ben, "get_object", "public/1")))
    old = address(client("ben"), "get_object", "public/1")
    step("presigned-version-2", lambda: plain(old))
    step("presigned-get-denied", lambda: plain(address(ben, "get_object", "private/1")))
    put = address(ben, "put_object", "inbox/6")
    step("presigned-put", lambda: plain(put, "PUT", CONTENT)[0])
    step("presigned-put-read", lambda: read(ana, "inbox/6") == CONTENT)
    get = address(ben, "get_object", "public/1")
    step("presigned-other-key", lambda: plain(get.replace("public/1", "public/odd")))
    step("presigned-other-method", lambda: plain(get, "DELETE"))
    step("presigned-longer", lambda: plain(get.replace("Expires=60", "Expires=600")))
    step("presigned-twice", lambda: plain(get + "&X-Amz-Expires=60"))
    step("presigned-and-bearer", lambda: plain(get, headers={"authorization": "Bearer x"}))
    step("presigned-more-headers", lambda: plain(get, headers={"x-amz-acl": "public-read"}))

    class Yesterday(botocore.auth.S3SigV4QueryAuth):
        pass

    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda: real() - datetime.timedelta(seconds=120)
    old = address(ben, "get_object", "public/1")
    botocore.auth.get_current_datetime = real
    step("presigned-expired", lambda: plain(old))


def authentication():
    step("wrong-secret", lambda: read(client("ana-wrong-secret"), "public/1"))
    step("unknown-key", lambda: read(client("nobody"), "public/1"))
    step("inactive-key", lambda: read(client("ana-inactive"), "public/1"))
    step("other-region", lambda: read(client("ana", region="mars-1"), "public/1") == CONTENT)
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda: real() - datetime.timedelta(minutes=20)
    step("skewed", lambda: read(client("ana"), "public/1"))
    step("skewed-json", lambda: client("ana", "dynamodb").list_tables())
    botocore.auth.get_current_datetime = real
    step("anonymous", lambda: plain(f"http://s3.internal:{PORT}/photos/public/1"))
    step("wrong-secret-json", lambda: client("ana-wrong-secret", "dynamodb").list_tables())
    step("unknown-key-json", lambda: client("nobody", "dynamodb").list_tables())
    step("wrong-secret-query", lambda: client("ana-wrong-secret", "sns").list_topics())
    step("unknown-key-query", lambda: client("nobody", "sns").list_topics())


def tables():
    ana, ben = client("ana", "dynamodb"), client("ben", "dynamodb")
    for name in ["orders", "customers"]:
        step(
            f"create-table {name}",
            lambda: ana.create_table(
                TableName=name,
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )["TableDescription"]["TableName"],
        )
        item = {"id": {"S": "7"}, "note": {"S": "gr\u00fc\u00df"}}
        step(f"put-item {name}", lambda: bool(ana.put_item(TableName=name, Item=item)))
    key = {"id": {"S": "7"}}
    get = lambda db, name: db.get_item(TableName=name, Key=key)["Item"]["note"]["S"]
    batch = lambda db, *tables: sorted(
        db.batch_get_item(RequestItems={name: {"Keys": [key]} for name in tables})["Responses"]
    )
    step("get-item", lambda: get(ben, "orders"))
    step("get-item-denied", lambda: get(ben, "customers"))
    step("get-item-sealed", lambda: get(ana, "sealed"))
    step("get-item-by-arn", lambda: get(ana, "arn:aws:dynamodb:eu-west-1:210000000001:table/sealed"))
    step("batch-get", lambda: batch(ben, "orders"))
    step("batch-get-denied", lambda: batch(ben, "orders", "customers"))
    step("batch-get-all", lambda: batch(ana, "orders", "customers"))
    step("list-tables-denied", lambda: ben.list_tables())
    step("list-tables", lambda: ana.list_tables()["TableNames"])
    transact = lambda db, name: db.transact_write_items(
        TransactItems=[{"Put": {"TableName": name, "Item": {"id": {"S": "8"}}}}]
    )
    step("transact", lambda: bool(transact(ana, "orders")))
    step("transact-sealed", lambda: transact(ana, "sealed"))


def topics():
    ana, ben = client("ana", "sns"), client("ben", "sns")
    step("create-topic", lambda: ana.create_topic(Name="news")["TopicArn"].split(":")[-1])
    arn = lambda name: f"arn:aws:sns:eu-west-1:210000000001:{name}"
    step("create-topic-sealed", lambda: ana.create_topic(Name="sealed"))
    step("create-topic-denied", lambda: ben.create_topic(Name="bens"))
    step("attributes-sealed", lambda: ana.get_topic_attributes(TopicArn=arn("sealed")))
    step("list-topics", lambda: len(ana.list_topics()["Topics"]))


def http2():
    """A client of HTTP/2 that signs its requests."""
    key, secret = KEYS["ben"]
    url = f"http://s3.internal:{PORT}/photos/public/1"

    def get(secret, path=url):
        request = AWSRequest("GET", path, headers={"host": f"s3.internal:{PORT}"})
        botocore.auth.S3SigV4Auth(Credentials(key, secret), "s3", REGION).add_auth(request)
        headers = dict(request.headers.items())
        with httpx.Client(http1=False, http2=True) as h2:
            answer = h2.get(path, headers=headers)
            return [answer.http_version, answer.status_code, answer.content == CONTENT]

    step("http2", lambda: get(secret))
    step("http2-wrong-secret", lambda: get(ANA))


object_store()
presigned()
authentication()
tables()
topics()
http2()
