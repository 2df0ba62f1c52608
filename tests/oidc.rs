//! Keys that are fetched and tokens that an API server reviews, from real servers over TLS.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use crate::support::eventually;
use crate::support::http::{Reply, send};
use crate::support::sidegate::Sidegate;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a server was asked, and what it answers.
#[derive(Default)]
struct State {
    answers: BTreeMap<String, String>,
    seen: Vec<(String, String, String)>,
    /// Users by token, for reviews.
    users: BTreeMap<String, String>,
}

/// A server over TLS with a certificate of its own authority.
struct Server {
    port: u16,
    ca: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Binds, and answers from then on; each answer takes `delay`.
    fn start(port: u16, delay: Duration) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&own, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::Pkcs8(own.serialize_der().into()),
            )
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let (shared, config) = (Arc::clone(&state), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, config) = (Arc::clone(&shared), Arc::clone(&config));
                std::thread::spawn(move || serve(stream, config, &state, delay));
            }
        });
        Self { port, ca, state }
    }

    fn issuer(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn answer(&self, path: &str, value: &Value) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path.to_owned(), value.to_string());
    }

    /// Publishes a key under an id, as an issuer does.
    fn publish(&self, issuer: &str, id: &str, key: &KeyPair) {
        let (_, point) = key.der_bytes().split_at(1);
        let (x, y) = point.split_at(32);
        let encode = |bytes| {
            use base64::Engine as _;
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
        };
        let set = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": id, "x": encode(x), "y": encode(y)}
        ]});
        self.answer("/keys", &set);
        let document = json!({"issuer": issuer, "jwks_uri": format!("{}/keys", self.issuer())});
        self.answer("/.well-known/openid-configuration", &document);
    }

    fn count(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|(seen, ..)| seen == path).count()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>, delay: Duration) {
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let Some((path, authorization, body)) = read(&mut stream) else {
        return;
    };
    std::thread::sleep(delay);
    let answer = {
        let mut state = state.lock().unwrap();
        let answer = if path == "/apis/authentication.k8s.io/v1/tokenreviews" {
            Some(review(&state.users, &body))
        } else {
            state.answers.get(&path).cloned()
        };
        state.seen.push((path, authorization, body));
        answer
    };
    let (status, text) = match answer {
        Some(text) => ("200 OK", text),
        None => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(head.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// Path, `authorization` and body of a request.
fn read(stream: &mut impl std::io::Read) -> Option<(String, String, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        match name {
            "authorization" => value.clone_into(&mut authorization),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, authorization, String::from_utf8(body).ok()?))
}

/// What an API server says of a token.
fn review(users: &BTreeMap<String, String>, question: &str) -> String {
    let question: Value = serde_json::from_str(question).unwrap();
    assert_eq!(question["kind"], "TokenReview");
    let token = question["spec"]["token"].as_str().unwrap();
    let status = match users.get(token) {
        Some(user) => json!({
            "authenticated": true,
            "audiences": question["spec"]["audiences"],
            "user": {"username": user, "uid": "7", "groups": ["system:serviceaccounts"]},
        }),
        None => json!({"authenticated": false, "error": "unknown"}),
    };
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
        .to_string()
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn token(issuer: &str, id: &str, key: &KeyPair, subject: &str, more: &Value) -> String {
    let mut claims = json!({
        "iss": issuer, "aud": ["shop"], "sub": subject, "iat": now(), "exp": now() + 600
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(id.to_owned());
    let key = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// A server whose bundle registers one issuer, with these lines for `jwks`.
fn sidegate(issuer: &str, jwks: &str, ca: &str, variables: &[(&str, &str)]) -> Sidegate {
    let bundle = tempfile::tempdir().unwrap();
    let host = issuer.strip_prefix("https://").unwrap();
    let text = format!(
        r#"apiVersion: sidegate.dev/v1alpha1
kind: IamAccount
metadata: {{name: shop}}
spec: {{id: "210000000001"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamOidcProvider
metadata: {{name: login}}
spec:
  account: "210000000001"
  issuer: {issuer}
  audiences: [shop]
  algorithms: [ES256]
  jwks: {{{jwks}}}
  cluster: {{name: blue}}
  roles:
    - claims: {{sub: "system:serviceaccount:shop:cart", /kubernetes.io/serviceaccount/uid: "u-1"}}
      role: reader
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {{name: reader}}
spec:
  account: "210000000001"
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: {{Federated: "arn:aws:iam::210000000001:oidc-provider/{host}"}}
        Action: [sts:AssumeRoleWithWebIdentity, sts:TagSession]
        Condition: {{StringEquals: {{"{host}:sub": "system:serviceaccount:shop:cart"}}}}
  inlinePolicies:
    read:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: orders:GetOrder
          Resource: "*"
          Condition: {{StringEquals: {{"aws:PrincipalTag/kubernetes-namespace": shop, "aws:PrincipalTag/eks-cluster-name": blue}}}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {{name: orders}}
spec:
  prefix: orders
  account: "210000000001"
  routes:
    - {{match: "GET /orders/{{Id}}", action: orders:GetOrder, resource: "arn:aws:orders:::order/${{Id}}"}}
"#
    );
    std::fs::write(bundle.path().join("bundle.yaml"), text).unwrap();
    std::fs::write(bundle.path().join("ca.pem"), ca).unwrap();
    Sidegate::start_on(bundle.path(), &[], variables)
}

fn ask(sidegate: &Sidegate, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-uri", "/orders/7"),
        ("x-forwarded-for", "192.0.2.7"),
        ("authorization", bearer.as_str()),
    ];
    send(sidegate.http, "GET", "/authorize", &headers)
}

const WORKLOAD: &str = "system:serviceaccount:shop:cart";

fn workload(uid: &str) -> Value {
    json!({"kubernetes.io": {
        "namespace": "shop",
        "serviceaccount": {"name": "cart", "uid": uid},
        "pod": {"name": "cart-0", "uid": "p-1"},
    }})
}

#[test]
fn keys_are_found_by_discovery_and_waited_for() {
    // OID-02, OID-04, K8S-01, K8S-03, K8S-04.
    let server = Server::start(0, Duration::from_millis(300));
    let (issuer, key) = (server.issuer(), key());
    server.publish(&issuer, "k1", &key);
    let jwks = "discovery: true, caFile: ca.pem, privateAddresses: true";
    let sidegate = sidegate(&issuer, jwks, &server.ca, &[]);
    // Nothing is at hand yet, and the first call waits for it.
    let good = token(&issuer, "k1", &key, WORKLOAD, &workload("u-1"));
    let reply = ask(&sidegate, &good);
    assert_eq!(reply.status, 200, "{reply:?}");
    // A re-created service account has another uid.
    let again = token(&issuer, "k1", &key, WORKLOAD, &workload("u-2"));
    assert_eq!(ask(&sidegate, &again).status, 403, "K8S-03");
    // A key that nobody published; whoever sends such tokens makes nobody fetch at will.
    let before = server.count("/keys");
    for _ in 0..5 {
        let foreign = token(&issuer, "k2", &key, WORKLOAD, &workload("u-1"));
        assert_eq!(ask(&sidegate, &foreign).status, 401, "JWT-03");
    }
    assert_eq!(server.count("/keys"), before, "OID-04");
    assert!(sidegate.metric("sidegate_fetches_total{result=\"success\"}") >= 1.0);
}

#[test]
fn an_issuer_that_comes_late_is_found() {
    // OID-04, ERR-13.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let issuer = format!("https://localhost:{}", address.port());
    let key = key();
    let jwks = format!("url: \"{issuer}/keys\", caFile: ca.pem, privateAddresses: true");
    let server = Server::start(address.port(), Duration::ZERO);
    let sidegate = sidegate(&issuer, &jwks, &server.ca, &[]);
    let good = token(&issuer, "k1", &key, WORKLOAD, &workload("u-1"));
    let reply = ask(&sidegate, &good);
    assert_eq!(reply.status, 503, "no keys yet: {reply:?}");
    server.publish(&issuer, "k1", &key);
    eventually("the keys", || {
        (ask(&sidegate, &good).status == 200).then_some(())
    });
}

#[test]
fn what_may_not_be_fetched_is_not() {
    // OID-02.
    let server = Server::start(0, Duration::ZERO);
    let (issuer, key) = (server.issuer(), key());
    let good = token(&issuer, "k1", &key, WORKLOAD, &workload("u-1"));
    server.publish("https://localhost", "k1", &key);
    let cases = [
        // The document of another issuer.
        (
            "discovery: true, caFile: ca.pem, privateAddresses: true",
            "is of the issuer",
        ),
        // An address of this machine.
        ("discovery: true, caFile: ca.pem", "no public address"),
        // A server for which the system's authorities do not vouch.
        (
            "discovery: true, privateAddresses: true",
            "cannot be fetched",
        ),
    ];
    for (jwks, says) in cases {
        let sidegate = sidegate(&issuer, jwks, &server.ca, &[]);
        let reply = ask(&sidegate, &good);
        assert_eq!(reply.status, 503, "{jwks}: {reply:?}");
        eventually("the log", || {
            let log = sidegate.log();
            log.contains(says).then_some(())
        });
    }
    assert_eq!(server.count("/keys"), 0);
}

#[test]
fn an_api_server_is_asked_about_tokens() {
    // OID-03, K8S-03, K8S-04.
    let server = Server::start(0, Duration::ZERO);
    let (issuer, nobody) = ("https://cluster.test", key());
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (own, ca) = (file("token", "our-own-token\n"), file("ca", &server.ca));
    let api = server.issuer();
    let variables = [
        ("SIDEGATE_KUBERNETES_API", api.as_str()),
        ("SIDEGATE_KUBERNETES_TOKEN", own.as_str()),
        ("SIDEGATE_KUBERNETES_CA", ca.as_str()),
    ];
    let sidegate = sidegate(issuer, "tokenReview: true", "", &variables);
    let of = |uid: &str| token(issuer, "k1", &nobody, WORKLOAD, &workload(uid));
    let (known, stranger) = (of("u-1"), of("u-1 "));
    let put = |token: &str, user: &str| {
        let mut state = server.state.lock().unwrap();
        state.users.insert(token.to_owned(), user.to_owned());
    };
    put(&known, WORKLOAD);
    let reply = ask(&sidegate, &known);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        ask(&sidegate, &stranger).status,
        401,
        "the API server knows nothing of it"
    );
    // It is asked once for each, and by our own name.
    assert_eq!(ask(&sidegate, &known).status, 200);
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    assert_eq!(server.count(reviews), 2);
    {
        let state = server.state.lock().unwrap();
        let mut seen = state.seen.iter();
        assert!(seen.all(|(_, authorization, _)| authorization == "Bearer our-own-token"));
    }
    // A token of one workload is not one of another, whatever it says itself.
    let other = token(issuer, "k2", &nobody, WORKLOAD, &workload("u-1"));
    put(&other, "system:serviceaccount:shop:other");
    assert_eq!(ask(&sidegate, &other).status, 401, "K8S-03");
    // What is expired or for somebody else is not even asked about.
    let before = server.count(reviews);
    let late = json!({"exp": now() - 100, "iat": now() - 700});
    let expired = token(issuer, "k1", &nobody, WORKLOAD, &late);
    assert_eq!(ask(&sidegate, &expired).status, 401, "JWT-05");
    let foreign = token(
        issuer,
        "k1",
        &nobody,
        WORKLOAD,
        &json!({"aud": ["https://kubernetes.default.svc"]}),
    );
    assert_eq!(ask(&sidegate, &foreign).status, 401, "K8S-02");
    assert_eq!(server.count(reviews), before);
    // The workload is gone, and so is its token a moment later.
    server.state.lock().unwrap().users.clear();
    eventually("the end of the workload", || {
        (ask(&sidegate, &known).status == 401).then_some(())
    });
}
