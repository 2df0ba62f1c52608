//! Callers that come with a client certificate (MTL-01 to MTL-05).

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use super::Scene;
use crate::support::eventually;
use crate::support::http::{Reply, parse};
use crate::support::parts;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A certificate authority of the mesh.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A leaf with the name of its issuer would pass for one that signed itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "mesh authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, name: SanType) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate, key }
    }
}

/// What is tried, with which certificate and headers, and the status.
type Case<'c> = (&'c str, Option<&'c Leaf>, Vec<(&'c str, &'c str)>, u16);

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// Envoy's part of the listener, with the authority that it believes.
fn transport_socket(directory: &std::path::Path, authority: &Authority) -> String {
    let server = authority.sign(SanType::DnsName("shop.test".try_into().unwrap()));
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = write("server.pem", server.certificate.pem());
    let key = write("server.key", server.key.serialize_pem());
    let ca = write("ca.pem", authority.certificate.pem());
    format!(
        "- transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: false
              common_tls_context:
                tls_certificates: [{{certificate_chain: {{filename: {certificate}}}, private_key: {{filename: {key}}}}}]
                validation_context: {{trusted_ca: {{filename: {ca}}}}}
          filters:"
    )
}

/// A request over TLS, with a client certificate or without.
fn get(
    address: SocketAddr,
    authority: &Authority,
    leaf: Option<&Leaf>,
    headers: &[(&str, &str)],
) -> Reply {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match leaf {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let chain: Vec<CertificateDer<'_>> = vec![leaf.certificate.der().clone()];
            let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = ServerName::try_from("shop.test").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let mut head =
        "GET /v1/orders/7 HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n".to_owned();
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Envoy may end the connection without saying so in TLS.
    let ended = stream.read_to_end(&mut answer);
    parse(&answer).unwrap_or_else(|| panic!("no answer: {ended:?}"))
}

#[test]
fn a_client_certificate_stands_for_a_session_of_its_role() {
    let Some(envoy) = parts::envoy("a_client_certificate_stands_for_a_session_of_its_role") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let socket = transport_socket(directory.path(), &authority);
    let scene = Scene::set(&envoy, &[("- filters:", &socket)]);
    let ask = |leaf: Option<&Leaf>, headers: &[(&str, &str)]| {
        get(scene.envoy.ingress, &authority, leaf, headers)
    };
    let cart = authority.sign(uri("spiffe://shop.test/ns/shop/sa/cart"));
    let reply = ask(Some(&cart), &[]);
    assert_eq!(reply.status, 200, "MTL-02: {reply:?}");
    let seen = scene.upstream.take().remove(0);
    assert_eq!(
        seen.all("x-sidegate-principal"),
        ["arn:aws:sts::210000000001:assumed-role/order-reader/cart"]
    );
    assert_eq!(seen.all("x-sidegate-session"), ["cart"]);

    // (certificate, headers, status)
    let foreign = authority.sign(uri("spiffe://other.test/ns/shop/sa/cart"));
    let deeper = authority.sign(uri("spiffe://shop.test/ns/shop/sa/cart/x"));
    let dns = authority.sign(SanType::DnsName("cart.shop.test".try_into().unwrap()));
    let (ana, mallory) = (
        scene.sidegate.bearer("ana"),
        scene.sidegate.bearer("mallory"),
    );
    let spoof = "By=spiffe://shop.test/x;URI=spiffe://shop.test/ns/shop/sa/cart";
    let cases: [Case<'_>; 7] = [
        ("another trust domain", Some(&foreign), vec![], 403),
        ("another path", Some(&deeper), vec![], 403),
        ("a DNS name that nobody enabled", Some(&dns), vec![], 403),
        ("no certificate: MTL-03", None, vec![], 403),
        (
            "a header in its place: MTL-04",
            None,
            vec![("x-forwarded-client-cert", spoof)],
            403,
        ),
        (
            "a token beside it is the principal: MTL-05",
            Some(&cart),
            vec![("authorization", &ana)],
            200,
        ),
        (
            "and one that fails is no reason to fall back: SIG-03",
            Some(&cart),
            vec![("authorization", &mallory)],
            401,
        ),
    ];
    for (what, leaf, headers, status) in cases {
        let reply = ask(leaf, &headers);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
    }
    let seen = scene.upstream.take();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].all("x-sidegate-principal"),
        ["arn:aws:sts::210000000001:assumed-role/order-clerk/ana"]
    );
}

#[test]
fn whether_the_connection_is_secure_is_not_the_clients_word() {
    let Some(envoy) = parts::envoy("whether_the_connection_is_secure_is_not_the_clients_word")
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let socket = transport_socket(directory.path(), &authority);
    let secure = Scene::set(&envoy, &[("- filters:", &socket)]);
    let plain = Scene::set(
        &envoy,
        &[("use_remote_address: true", "use_remote_address: false")],
    );
    for scene in [&secure, &plain] {
        scene.sidegate.edit(
            "identities/read-orders.json",
            "\"Sid\": \"ReadOrders\",",
            "\"Sid\": \"ReadOrders\", \"Condition\": {\"Bool\": {\"aws:SecureTransport\": \"true\"}},",
        );
        eventually("the new policy", || {
            (scene.sidegate.metric("sidegate_snapshot_revision") > 1.0).then_some(())
        });
    }
    let bearer = secure.sidegate.bearer("ben");
    let headers = [("authorization", bearer.as_str())];
    let reply = get(secure.envoy.ingress, &authority, None, &headers);
    assert_eq!(reply.status, 200, "{reply:?}");
    let bearer = plain.sidegate.bearer("ben");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-forwarded-proto", "https"),
    ];
    let reply = plain.envoy.send("GET", "/v1/orders/7", &headers);
    assert_eq!(reply.status, 403, "{reply:?}");
}
