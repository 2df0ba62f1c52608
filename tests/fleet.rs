//! Two issuers and three sidecars that share key files and a bundle, and nothing else.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use crate::support::eventually;
use crate::support::http::send_bytes;
use crate::support::sidegate::Sidegate;
use crate::support::signer::{ToSign, bytes, sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// How S3 says that a token is nobody's: `InvalidToken`.
const NOBODY: u16 = 400;
const ANA: &str = "anas-secret-of-forty-characters-0123456+";

const BUNDLE: &str = r#"apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: store}
spec: {prefix: s3, protocol: s3, account: "210000000001", region: eu-west-1, hosts: [s3.internal]}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ana}
spec:
  account: "210000000001"
  accessKeys: [{id: AKIAEXAMPLEANA000001, secretFile: ana}]
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {name: reader}
spec:
  account: "210000000001"
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - {Effect: Allow, Principal: {AWS: "arn:aws:iam::210000000001:user/ana"}, Action: sts:AssumeRole}
  inlinePolicies:
    read: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "*"}]}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRevocation
metadata: {name: revoked}
spec: {file: revoked.jsonl}
"#;

#[derive(Clone, Debug)]
struct Credentials {
    id: String,
    secret: String,
    token: String,
}

/// What an issuer gives to Ana.
fn assume(issuer: SocketAddr) -> Credentials {
    let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A210000000001%3Arole%2Freader&RoleSessionName=job";
    let hash = sha256(body.as_bytes());
    let host = issuer.to_string();
    let request = ToSign {
        id: "AKIAEXAMPLEANA000001",
        secret: ANA,
        service: "sts",
        method: "POST",
        host: &host,
        target: "/",
        canonical_path: "/",
        canonical_query: "",
        headers: vec![("content-type", "application/x-www-form-urlencoded", true)],
        payload: &hash,
        signs_host: true,
        signs_date: true,
    };
    let reply = send_bytes(
        issuer,
        &bytes("POST", "/", &request.sign(), body.as_bytes()),
    );
    let reply = reply.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let value = |name: &str| {
        let (_, rest) = reply.body.split_once(&format!("<{name}>")).unwrap();
        rest.split_once("</").unwrap().0.to_owned()
    };
    Credentials {
        id: value("AccessKeyId"),
        secret: value("SecretAccessKey"),
        token: value("SessionToken"),
    }
}

/// The status that a sidecar answers for a read by a session; `None` while it is not there.
fn read(sidecar: SocketAddr, credentials: &Credentials) -> Option<u16> {
    let empty = sha256(b"");
    let request = ToSign {
        id: &credentials.id,
        secret: &credentials.secret,
        service: "s3",
        method: "GET",
        host: "s3.internal",
        target: "/photos/1",
        canonical_path: "/photos/1",
        canonical_query: "",
        headers: vec![
            ("x-amz-content-sha256", &empty, true),
            ("x-amz-security-token", &credentials.token, true),
        ],
        payload: &empty,
        signs_host: true,
        signs_date: true,
    };
    let mut headers = request.sign();
    for (name, value) in [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "s3.internal"),
        ("x-forwarded-uri", "/photos/1"),
        ("x-forwarded-for", "192.0.2.1"),
    ] {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let reply = send_bytes(sidecar, &bytes("GET", "/authorize", &headers, b""))?;
    // Before its first snapshot a server is not ready, and says so.
    (reply.status != 503).then_some(reply.status)
}

fn keys(directory: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .arg("keys")
        .args(arguments)
        .arg(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A server that is killed and started again at the same address.
struct Member {
    server: RwLock<Option<Sidegate>>,
    address: RwLock<SocketAddr>,
}

impl Member {
    fn start(bundle: &Path, key_set: &Path) -> Self {
        let text = std::fs::read_to_string(key_set.join("token-keys.json")).unwrap();
        let secrets = [("ana", ANA), ("token-keys.json", text.as_str())];
        let server = Sidegate::start_on(bundle, &secrets, &[]);
        Self {
            address: RwLock::new(server.http),
            server: RwLock::new(Some(server)),
        }
    }

    fn address(&self) -> SocketAddr {
        *self.address.read().unwrap()
    }

    fn restart(&self) {
        let mut server = self.server.write().unwrap();
        let around = server.take().unwrap().kill();
        let again = Sidegate::start_with_credentials(around);
        *self.address.write().unwrap() = again.http;
        *server = Some(again);
    }

    fn in_bundle<T>(&self, act: impl Fn(&Path) -> T) -> T {
        act(&self.server.read().unwrap().as_ref().unwrap().bundle())
    }
}

#[test]
fn credentials_of_each_issuer_work_at_each_sidecar_while_any_is_killed() {
    let around = tempfile::tempdir().unwrap();
    let bundle = around.path().join("bundle");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::write(bundle.join("all.yaml"), BUNDLE).unwrap();
    std::fs::write(bundle.join("revoked.jsonl"), "").unwrap();
    let set = around.path().join("keys");
    keys(&set, &["generate", "--trust-domain", "prod"]);
    let start = |who: &str| Member::start(&bundle, &set.join(who));
    let issuers = [start("issuer"), start("issuer")];
    let sidecars: Arc<[Member]> = [start("sidecar"), start("sidecar"), start("sidecar")].into();
    let given: Vec<Credentials> = issuers
        .iter()
        .map(|issuer| assume(issuer.address()))
        .collect();
    for credentials in &given {
        for sidecar in sidecars.iter() {
            assert_eq!(read(sidecar.address(), credentials), Some(200));
        }
    }
    // One more is revoked at all of them.
    let revoked = assume(issuers[0].address());
    let line = format!("{{\"accessKey\":\"{}\"}}\n", revoked.id);
    for sidecar in sidecars.iter() {
        sidecar.in_bundle(|bundle| std::fs::write(bundle.join("revoked.jsonl"), &line).unwrap());
        eventually("the revocation", || {
            (read(sidecar.address(), &revoked) == Some(NOBODY)).then_some(())
        });
    }
    // Under load, each is killed and comes back.
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let callers = (0..3).map(|at| {
        let (sidecars, done, answered) = (
            Arc::clone(&sidecars),
            Arc::clone(&done),
            Arc::clone(&answered),
        );
        let (good, bad) = (given[at % 2].clone(), revoked.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                for sidecar in sidecars.iter() {
                    // No answer is a request in flight, or nobody there.
                    if let Some(status) = read(sidecar.address(), &good) {
                        assert_eq!(status, 200, "a valid request is refused");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Some(status) = read(sidecar.address(), &bad) {
                        assert_eq!(status, NOBODY, "a revoked one is accepted");
                    }
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for member in sidecars.iter().chain(&issuers) {
        let before = answered.load(Ordering::Relaxed);
        member.restart();
        eventually("answers again", || {
            (answered.load(Ordering::Relaxed) > before + 20).then_some(())
        });
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().unwrap();
    }
    // An issuer that came back issues as before, and old credentials are as good as new ones.
    for issuer in &issuers {
        let fresh = assume(issuer.address());
        for sidecar in sidecars.iter() {
            assert_eq!(read(sidecar.address(), &fresh), Some(200));
            assert_eq!(read(sidecar.address(), &given[0]), Some(200));
        }
    }
}

#[test]
fn rotated_keys_verify_until_the_last_token_is_dead_and_dropped_ones_at_once_not_any_more() {
    let around = tempfile::tempdir().unwrap();
    let bundle = around.path().join("bundle");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::write(bundle.join("all.yaml"), BUNDLE).unwrap();
    std::fs::write(bundle.join("revoked.jsonl"), "").unwrap();
    let set = around.path().join("keys");
    keys(&set, &["generate", "--trust-domain", "prod"]);
    let issuer = Member::start(&bundle, &set.join("issuer"));
    let sidecar = Member::start(&bundle, &set.join("sidecar"));
    let deliver = || {
        for (member, who) in [(&sidecar, "sidecar"), (&issuer, "issuer")] {
            let text = std::fs::read_to_string(set.join(who).join("token-keys.json")).unwrap();
            let server = member.server.read().unwrap();
            let to = server.as_ref().unwrap().credentials();
            std::fs::write(to.join("token-keys.json"), text).unwrap();
        }
    };
    let ids = || -> Vec<u64> {
        let text = std::fs::read_to_string(set.join("issuer/token-keys.json")).unwrap();
        let set: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys = set["signingKeys"].as_array().unwrap();
        keys.iter().map(|key| key["id"].as_u64().unwrap()).collect()
    };
    let old = assume(issuer.address());
    assert_eq!(read(sidecar.address(), &old), Some(200));
    // TOK-21: new keys come into use, and old tokens stay good.
    let first = ids()[0];
    keys(&set, &["rotate", "--now"]);
    assert_eq!(ids().len(), 2);
    deliver();
    let prefix = |credentials: &Credentials| credentials.token[..16].to_owned();
    let fresh = std::cell::RefCell::new(None);
    eventually("the new keys", || {
        let given = assume(issuer.address());
        let is_new = prefix(&given) != prefix(&old);
        *fresh.borrow_mut() = Some(given);
        is_new.then_some(())
    });
    let fresh = fresh.into_inner().unwrap();
    eventually("the new keys at the sidecar", || {
        (read(sidecar.address(), &fresh) == Some(200)).then_some(())
    });
    assert_eq!(read(sidecar.address(), &old), Some(200));
    // REV-04: a key is taken away, with all of its tokens.
    keys(&set, &["rotate", "--now", "--drop", &first.to_string()]);
    deliver();
    eventually("the end of the old key", || {
        (read(sidecar.address(), &old) == Some(NOBODY)).then_some(())
    });
    assert_eq!(read(sidecar.address(), &fresh), Some(200));
    // A broken key set changes nothing.
    let server = sidecar.server.read().unwrap();
    let server = server.as_ref().unwrap();
    std::fs::write(server.credentials().join("token-keys.json"), "{").unwrap();
    eventually("the refusal", || {
        server.log().contains("TOK-10").then_some(())
    });
    assert_eq!(read(sidecar.address(), &fresh), Some(200));
}
