use crate::mapping::{Mapped, MappingError, Table};
use crate::model::{Action, Body, Headers, HttpCall, Peer, Protocol};
use crate::policy::s3::{BY_CONTENT, Level, OPERATIONS, falls_through};
use crate::policy::{Bundle, BundleFile};

const STORE: &str = r#"apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: store}
spec:
  prefix: s3
  protocol: s3
  account: "210000000001"
  hosts: [s3.test, "*.s3.test"]
"#;

fn table() -> Table {
    table_of(STORE)
}

fn table_of(text: &str) -> Table {
    let file = BundleFile {
        path: "store.yaml",
        bytes: text.as_bytes(),
    };
    let (bundle, findings) = Bundle::parse(&[file]).unwrap();
    assert_eq!(findings, []);
    Table::compile(&bundle.services).unwrap()
}

fn call(method: &str, host: &str, target: &str, headers: &[(&str, &str)], body: &str) -> HttpCall {
    let mut fields = Headers::new();
    for (name, value) in headers {
        fields.push(name, *value);
    }
    HttpCall {
        method: method.into(),
        scheme: "https".into(),
        authority: host.into(),
        target: target.into(),
        headers: fields,
        body: Body::Known(body.to_owned().into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    }
}

/// `Action resource` of every target, or the label of the fault.
fn meaning(mapped: &Result<Mapped<'_>, MappingError>) -> Vec<String> {
    match mapped {
        Err(fault) => vec![fault.label().to_owned()],
        Ok(mapped) => mapped
            .targets
            .iter()
            .map(|target| {
                let action = target.action.as_str().trim_start_matches("s3:");
                let resource = target.resource.as_str();
                let resource = resource.trim_start_matches("arn:aws:s3:::");
                format!("{action} {resource}")
            })
            .collect(),
    }
}

#[test]
fn every_operation_is_its_actions() {
    let table = table();
    for operation in OPERATIONS {
        let path = match operation.level {
            Level::Service => "/",
            Level::Bucket => "/photos",
            Level::Object => "/photos/a/b",
        };
        let mut query: Vec<String> = Vec::new();
        if !operation.selector.is_empty() {
            query.push(match operation.selector {
                "uploadId" => "uploadId=1".to_owned(),
                selector => selector.to_owned(),
            });
        }
        query.extend(operation.needs.iter().map(|name| match *name {
            "select-type" => "select-type=2".to_owned(),
            name => format!("{name}=1"),
        }));
        let body = match (operation.method, operation.selector, operation.level) {
            ("POST", "delete", _) => "<Delete><Object><Key>a/b</Key></Object></Delete>",
            ("PUT", "tagging", _) => "<Tagging><TagSet/></Tagging>",
            ("PUT", "retention", _) => "<Retention><Mode>GOVERNANCE</Mode></Retention>",
            ("PUT", "legal-hold", _) => "<LegalHold><Status>ON</Status></LegalHold>",
            _ => "",
        };
        let resource = match operation.level {
            Level::Service => "*",
            Level::Bucket if operation.selector == "delete" => "photos/a/b",
            Level::Bucket => "photos",
            Level::Object => "photos/a/b",
        };
        let expected = |actions: &[&str]| -> Vec<String> {
            actions
                .iter()
                .map(|action| format!("{} {resource}", action.trim_start_matches("s3:")))
                .collect()
        };
        // What a store does that does not know the sub-resource has to be allowed as well.
        let plain = falls_through(operation);
        let both = |actions: &[&'static str], plain: &[&'static str]| {
            let mut both = actions.to_vec();
            both.extend(plain.iter().filter(|name| !actions.contains(name)));
            expected(&both)
        };
        let ask = |query: &[String]| {
            let target = format!("{path}?{}", query.join("&"));
            let call = call(operation.method, "s3.test", &target, &[], body);
            let mapped = table.resolve(&call);
            (target, meaning(&mapped))
        };
        let (target, got) = ask(&query);
        let method = operation.method;
        let of_plain = plain.map_or(&[][..], |plain| plain.actions);
        assert_eq!(got, both(operation.actions, of_plain), "{method} {target}");
        if operation.may_have.contains(&"versionId") {
            query.push("versionId=7".to_owned());
            let actions = if operation.of_version.is_empty() {
                operation.actions
            } else {
                operation.of_version
            };
            let of_plain = plain.map_or(&[][..], |plain| match plain.of_version {
                [] => plain.actions,
                of_version => of_version,
            });
            let (target, got) = ask(&query);
            assert_eq!(got, both(actions, of_plain), "{method} {target}");
        }
        // What the operation does not have could be another one to the upstream.
        query.push("nothing-known".to_owned());
        let (target, got) = ask(&query);
        assert_eq!(got, ["bad_query"], "{method} {target}");
    }
    let actions = OPERATIONS
        .iter()
        .flat_map(|operation| operation.actions.iter().chain(operation.of_version))
        .chain(BY_CONTENT);
    for action in actions {
        assert!(Action::parse(action).is_ok(), "{action}");
    }
}

#[test]
fn bucket_and_key_are_read_in_one_way() {
    let table = table();
    // (host, target, what a GET is)
    let cases = [
        ("s3.test", "/", "ListAllMyBuckets *"),
        ("s3.test", "/photos", "ListBucket photos"),
        ("s3.test", "/photos/", "ListBucket photos"),
        ("s3.test", "/photos/a", "GetObject photos/a"),
        ("s3.test", "/photos/a/", "GetObject photos/a/"),
        // Many stores take these for `a` and `a/b`.
        ("s3.test", "/photos//", "ambiguous_path"),
        ("s3.test", "/photos//a", "ambiguous_path"),
        ("s3.test", "/photos/%2Fa", "ambiguous_path"),
        ("s3.test", "/photos/a//b", "ambiguous_path"),
        ("s3.test", "/photos/a/%2Fb", "ambiguous_path"),
        ("raw.test", "/photos//", "GetObject photos//"),
        ("raw.test", "/photos//a", "GetObject photos//a"),
        ("raw.test", "/photos/a//b", "GetObject photos/a//b"),
        // Other doors of stores.
        ("s3.test", "/minio/admin/v3/info", "bad_resource"),
        ("s3.test", "/swift/v1/photos/a", "bad_resource"),
        ("s3.test", "/admin/user", "bad_resource"),
        ("minio.s3.test", "/photos/a", "bad_host"),
        ("localhost.s3.test", "/photos/a", "bad_host"),
        ("www.s3.test", "/photos/a", "bad_host"),
        // Not every store folds letters, or reads a port as a number.
        ("photos.S3.test", "/a", "bad_host"),
        ("S3.test", "/photos/a", "bad_host"),
        ("photos.s3.test:0080", "/a", "bad_host"),
        ("s3.test", "/photos/a%2Fb", "GetObject photos/a/b"),
        ("s3.test", "/photos/a%252Fb", "GetObject photos/a%2Fb"),
        ("s3.test", "/photos/a%20b+c", "GetObject photos/a b+c"),
        ("s3.test", "/photos/%C3%BC", "GetObject photos/ü"),
        ("s3.test", "/photos/*", "GetObject photos/*"),
        (
            "s3.test",
            "/photos/${aws:username}",
            "GetObject photos/${aws:username}",
        ),
        ("s3.test", "/%70hotos/a", "GetObject photos/a"),
        ("photos.s3.test", "/", "ListBucket photos"),
        ("photos.s3.test:8080", "/a/b", "GetObject photos/a/b"),
        ("PHOTOS.s3.test", "/a", "bad_host"),
        ("photos.s3.test", "//", "ambiguous_path"),
        ("photos.s3.test", "//a", "ambiguous_path"),
        // Ways to another object than is judged.
        ("s3.test", "/photos/../other/a", "ambiguous_path"),
        ("s3.test", "/photos/a/../../b", "ambiguous_path"),
        ("s3.test", "/photos/%2e%2e/b", "ambiguous_path"),
        ("s3.test", "/photos/a%2F..%2Fb", "ambiguous_path"),
        ("s3.test", "/photos/a%5C..%5Cb", "ambiguous_path"),
        ("s3.test", "/photos/./a", "ambiguous_path"),
        ("s3.test", "/photos/a%00", "ambiguous_path"),
        ("s3.test", "/photos/a%0Ab", "ambiguous_path"),
        ("s3.test", "/photos/a\\b", "ambiguous_path"),
        ("s3.test", "/photos/%zz", "ambiguous_path"),
        ("s3.test", "/photos/%ff", "ambiguous_path"),
        ("s3.test", "//photos/a", "bad_resource"),
        ("s3.test", "/ph/a", "bad_resource"),
        ("s3.test", "/Photos/a", "bad_resource"),
        ("s3.test", "/photos%2Fa/b", "bad_resource"),
        ("s3.test", "/-photos/a", "bad_resource"),
        ("-x.s3.test", "/a", "bad_resource"),
        // Of several labels some stores take the first, and some all.
        ("a.b.s3.test", "/k", "unmapped"),
        ("www.photos.s3.test", "/k", "unmapped"),
        ("photos.s3.test.", "/a", "bad_host"),
        ("s3.test.", "/photos/a", "bad_host"),
        ("s3.test,s3.test", "/photos/a", "bad_host"),
        ("other.test", "/photos/a", "unmapped"),
        ("xs3.test", "/photos/a", "unmapped"),
    ];
    let raw = STORE.replace("protocol: s3", "protocol: s3\n  paths: raw");
    let raw = table_of(&raw.replace("s3.test,", "raw.test,"));
    for (host, target, expected) in cases {
        let call = call("GET", host, target, &[], "");
        let table = if host == "raw.test" { &raw } else { &table };
        assert_eq!(
            meaning(&table.resolve(&call)),
            [expected],
            "{host} {target}"
        );
    }
    let long = format!("/photos/{}", "k".repeat(1_025));
    let call = call("GET", "s3.test", &long, &[], "");
    assert_eq!(meaning(&table.resolve(&call)), ["bad_resource"]);
}

const PUT: &str = "PutObject photos/k";

/// Method, target, headers, and what the call is.
type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c [&'c str]);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_a_request_carries_is_an_action_too() {
    let table = table();
    let cases: Vec<Case<'_>> = vec![
        ("PUT", "/photos/k", &[], &[PUT]),
        ("PUT", "/photos/k?x-id=PutObject", &[], &[PUT]),
        // To a store that takes a name without value for absent they are other operations.
        ("DELETE", "/photos/k?uploadId=", &[], &["bad_query"]),
        ("DELETE", "/photos/k?uploadId", &[], &["bad_query"]),
        ("DELETE", "/photos/k?versionId=", &[], &["bad_query"]),
        (
            "PUT",
            "/photos/k?partNumber=&uploadId=1",
            &[],
            &["bad_query"],
        ),
        (
            "POST",
            "/photos/k?select&select-type=1",
            &[],
            &["bad_query"],
        ),
        ("POST", "/photos/k?select", &[], &["unmapped"]),
        // Forms of browsers.
        (
            "POST",
            "/photos?metadataTable",
            &[("content-type", "multipart/form-data; boundary=b")],
            &["unmapped"],
        ),
        (
            "POST",
            "/photos/k?uploads",
            &[("content-type", " Multipart/Form-Data")],
            &["unmapped"],
        ),
        (
            "GET",
            "/photos/k",
            &[("x-http-method-override", "DELETE")],
            &["bad_header"],
        ),
        (
            "GET",
            "/photos/k",
            &[("x-auth-token", "t")],
            &["bad_header"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-object-lock-event-hold-duration-years", "90")],
            &[PUT, "PutObjectRetention photos/k"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-acl", "public-read")],
            &[PUT, "PutObjectAcl photos/k"],
        ),
        (
            "PUT",
            "/photos/k?X-Amz-Signature=0&x-amz-acl=public-read",
            &[],
            &[PUT, "PutObjectAcl photos/k"],
        ),
        (
            "PUT",
            "/photos/k?X-Amz-Signature=0&x-amz-acl=private",
            &[("x-amz-acl", "public-read")],
            &["bad_query"],
        ),
        (
            "PUT",
            "/photos/k?X-Amz-Acl=public-read",
            &[],
            &["bad_query"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x_amz_acl", "public-read")],
            &["bad_header"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-grant-read", "id=1")],
            &[PUT, "PutObjectAcl photos/k"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-tagging", "a=1")],
            &[PUT, "PutObjectTagging photos/k"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-tagging", "a=1&A=2")],
            &["bad_query"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-tagging", "a=1+2")],
            &["bad_query"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-object-lock-mode", "GOVERNANCE")],
            &[PUT, "PutObjectRetention photos/k"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-object-lock-legal-hold", "ON")],
            &[PUT, "PutObjectLegalHold photos/k"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "/other/a%2Fb")],
            &[PUT, "GetObject other/a/b"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "other/a?versionId=7")],
            &[PUT, "GetObjectVersion other/a"],
        ),
        (
            "PUT",
            "/photos/k?X-Amz-Signature=0&x-amz-copy-source=other/a",
            &[],
            &[PUT, "GetObject other/a"],
        ),
        (
            "PUT",
            "/photos/k?uploadId=1&partNumber=2",
            &[("x-amz-copy-source", "other/a")],
            &[PUT, "GetObject other/a"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "other/../a")],
            &["ambiguous_path"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "other/a+b")],
            &["bad_query"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "other")],
            &["bad_resource"],
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-copy-source", "other/a?x=1")],
            &["bad_resource"],
        ),
        (
            "PUT",
            "/photos/k",
            &[(
                "x-amz-copy-source",
                "arn:aws:s3:eu-1:2:accesspoint/x/object/a",
            )],
            &["bad_resource"],
        ),
        (
            "GET",
            "/photos/k",
            &[("x-amz-copy-source", "other/a")],
            &["unmapped"],
        ),
        (
            "PUT",
            "/photos/k?acl",
            &[("x-amz-copy-source", "other/a")],
            &["unmapped"],
        ),
        (
            "DELETE",
            "/photos/k?versionId=7",
            &[("x-amz-bypass-governance-retention", "true")],
            &[
                "DeleteObjectVersion photos/k",
                "BypassGovernanceRetention photos/k",
            ],
        ),
        (
            "DELETE",
            "/photos/k",
            &[("x-amz-bypass-governance-retention", "false")],
            &["DeleteObject photos/k"],
        ),
        ("DELETE", "/photos/k?versionId=", &[], &["bad_query"]),
        (
            "PUT",
            "/photos",
            &[("x-amz-acl", "private")],
            &["CreateBucket photos"],
        ),
        (
            "PUT",
            "/photos",
            &[("x-amz-acl", "public-read")],
            &["CreateBucket photos", "PutBucketAcl photos"],
        ),
        (
            "PUT",
            "/photos",
            &[("x-amz-bucket-object-lock-enabled", "true")],
            &[
                "CreateBucket photos",
                "PutBucketObjectLockConfiguration photos",
                "PutBucketVersioning photos",
            ],
        ),
        ("GET", "/photos/k?acl&tagging", &[], &["bad_query"]),
        ("GET", "/photos/k?acl&acl", &[], &["bad_query"]),
        ("GET", "/photos?prefix=a&prefix=b", &[], &["bad_query"]),
        ("GET", "/photos?prefix=a+b", &[], &["bad_query"]),
        (
            "GET",
            "/photos?policy&X-Amz-Signature=0&x-amz-meta-a=1",
            &[],
            &["GetBucketPolicy photos"],
        ),
        // Forms of browsers, and what is no operation.
        ("POST", "/photos", &[], &["unmapped"]),
        ("PATCH", "/photos/k", &[], &["unmapped"]),
    ];
    for (method, target, headers, expected) in cases {
        let call = call(method, "s3.test", target, headers, "");
        let got = meaning(&table.resolve(&call));
        assert_eq!(got, expected, "{method} {target} {headers:?}");
    }
}

/// Method, target, headers, body, and the condition keys.
type KeyCase<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c str, &'c str);

#[test]
fn condition_keys_come_from_header_query_and_body() {
    let table = table();
    let keys = |call: &HttpCall| {
        let mapped = table.resolve(call).unwrap();
        let own = mapped.targets.iter().flat_map(|target| &target.context);
        let own = own.map(|(key, value)| format!("{key}={value}"));
        let all = mapped.context.iter();
        let all = all.map(|(key, values)| format!("{key}={}", values.join(",")));
        let unknown = mapped.unknown.iter().map(|key| format!("{key}?"));
        let mut keys: Vec<String> = all.chain(own).chain(unknown).collect();
        // These are unknown everywhere.
        keys.retain(|key| key != "s3:TlsVersion?" && key != "s3:BucketTag/?");
        keys.sort();
        (keys.join(" "), mapped.reads_body)
    };
    let tagging =
        "<Tagging><TagSet><Tag><Key>team</Key><Value>sales</Value></Tag></TagSet></Tagging>";
    let cases: [KeyCase<'_>; 9] = [
        (
            "GET",
            "/photos?list-type=2&prefix=a/&delimiter=/&max-keys=7",
            &[],
            "",
            "s3:delimiter=/ s3:max-keys=7 s3:prefix=a/",
        ),
        ("GET", "/photos?prefix=", &[], "", "s3:prefix="),
        (
            "GET",
            "/photos/k?versionId=7",
            &[("if-match", "x")],
            "",
            "s3:ExistingObjectTag/? s3:VersionId=7",
        ),
        (
            "PUT",
            "/photos/k",
            &[
                ("x-amz-storage-class", "GLACIER"),
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
                ("if-none-match", "*"),
            ],
            "",
            "s3:ObjectCreationOperation=true s3:if-none-match=* s3:x-amz-content-sha256=UNSIGNED-PAYLOAD s3:x-amz-server-side-encryption=aws:kms s3:x-amz-storage-class=GLACIER",
        ),
        (
            "PUT",
            "/photos/k",
            &[("x-amz-tagging", "team=sales&a%3Db=")],
            "",
            "aws:RequestTag/a=b= aws:RequestTag/team=sales aws:TagKeys=team,a=b s3:ObjectCreationOperation=true s3:RequestObjectTag/a=b= s3:RequestObjectTag/team=sales s3:RequestObjectTagKeys=team,a=b",
        ),
        (
            "PUT",
            "/photos/k?tagging",
            &[],
            tagging,
            "aws:RequestTag/team=sales aws:TagKeys=team s3:ExistingObjectTag/? s3:RequestObjectTag/team=sales s3:RequestObjectTagKeys=team",
        ),
        (
            "PUT",
            "/photos?tagging",
            &[],
            tagging,
            "aws:RequestTag/team=sales aws:TagKeys=team",
        ),
        (
            "PUT",
            "/photos",
            &[],
            "<CreateBucketConfiguration><LocationConstraint>eu-1</LocationConstraint></CreateBucketConfiguration>",
            "s3:LocationConstraint=eu-1",
        ),
        (
            "PUT",
            "/photos/k?retention",
            &[],
            "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>",
            "s3:ExistingObjectTag/? s3:object-lock-event-hold-duration-days? s3:object-lock-event-hold? s3:object-lock-mode=COMPLIANCE s3:object-lock-remaining-retention-days? s3:object-lock-retain-until-date=2030-01-01T00:00:00Z",
        ),
    ];
    for (method, target, headers, body, expected) in cases {
        let call = call(method, "s3.test", target, headers, body);
        let (got, reads_body) = keys(&call);
        assert_eq!(got, expected, "{method} {target}");
        assert_eq!(reads_body, !body.is_empty(), "{method} {target}");
    }
    // A body that was not shown leaves unknown what it says.
    let mut unseen = call("PUT", "s3.test", "/photos/k?tagging", &[], "");
    unseen.body = Body::Unknown;
    let (got, _) = keys(&unseen);
    assert_eq!(
        got,
        "aws:RequestTag/? aws:TagKeys? s3:ExistingObjectTag/? s3:RequestObjectTag/? s3:RequestObjectTagKeys?"
    );
}

#[test]
fn several_objects_are_deleted_only_if_each_may_be() {
    let table = table();
    let ask = |body: &str, headers: &[(&str, &str)]| {
        let call = call("POST", "s3.test", "/photos?delete", headers, body);
        meaning(&table.resolve(&call))
    };
    let two = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>7</VersionId></Object></Delete>";
    assert_eq!(
        ask(two, &[]),
        ["DeleteObject photos/a", "DeleteObjectVersion photos/b"]
    );
    let up = "<Delete><Object><Key>../a</Key></Object></Delete>";
    assert_eq!(ask(up, &[]), ["ambiguous_path"]);
    assert_eq!(ask("", &[]), ["bad_body"]);
    assert_eq!(ask(two, &[("content-encoding", "gzip")]), ["bad_body"]);
    let mut unseen = call("POST", "s3.test", "/photos?delete", &[], "");
    unseen.body = Body::Unknown;
    assert_eq!(meaning(&table.resolve(&unseen)), ["bad_body"]);
}

#[test]
fn what_an_address_says_in_the_place_of_a_header_nobody_can_rely_on() {
    // SIG-21: a store may read it, or not.
    let table = table();
    let target = "/photos/k?X-Amz-Signature=0&x-amz-tagging=team%3Dsales&x-amz-server-side-encryption=AES256&x-amz-copy-source=other/a";
    let call = call("PUT", "s3.test", target, &[], "");
    let mapped = table.resolve(&call).unwrap();
    for key in [
        "s3:RequestObjectTag/",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-copy-source",
        "s3:ExistingObjectTag/",
    ] {
        assert!(
            mapped.unknown.iter().any(|known| known == key),
            "{key}: {:?}",
            mapped.unknown
        );
    }
    // And every name that is unknown takes effect, families included (CTX-6).
    let mut context = crate::model::Context::new();
    for key in &mapped.unknown {
        if key.ends_with('/') {
            context.set_unknown_family(key.clone());
        } else {
            context.set_unknown(key);
        }
    }
    for key in [
        "s3:requestobjecttag/team",
        "s3:existingobjecttag/class",
        "s3:buckettag/a",
    ] {
        let found = context.lookup(key);
        assert_eq!(found, Some(&crate::model::ContextValue::Unknown), "{key}");
    }
}

#[test]
fn a_restoration_asks_for_nothing_else() {
    let table = table();
    let ask = |body: &str| {
        let call = call("POST", "s3.test", "/photos/k?restore", &[], body);
        meaning(&table.resolve(&call))
    };
    for body in [
        "",
        "<RestoreRequest><Days>1</Days></RestoreRequest>",
        "<RestoreRequest><Days>1</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>",
    ] {
        assert_eq!(ask(body), ["RestoreObject photos/k"], "{body}");
    }
    for part in [
        "<OutputLocation><S3><BucketName>other</BucketName></S3></OutputLocation>",
        "<Type>SELECT</Type>",
        "<SelectParameters/>",
    ] {
        let body = format!("<RestoreRequest>{part}</RestoreRequest>");
        assert_eq!(ask(&body), ["bad_body"], "{body}");
    }
    let mut unseen = call("POST", "s3.test", "/photos/k?restore", &[], "");
    unseen.body = Body::Unknown;
    assert_eq!(meaning(&table.resolve(&unseen)), ["bad_body"]);
}

#[test]
fn what_was_read_has_to_be_signed() {
    // SIG-43, whatever a service excuses from being signed.
    let table = table();
    let headers = [
        ("x-amz-acl", "private"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-bypass-governance-retention", "true"),
        ("if-none-match", "*"),
    ];
    let call = call("PUT", "s3.test", "/photos/k", &headers, "");
    let mapped = table.resolve(&call).unwrap();
    for (name, _) in headers {
        assert!(
            mapped.headers.contains(&name),
            "{name}: {:?}",
            mapped.headers
        );
    }
}
