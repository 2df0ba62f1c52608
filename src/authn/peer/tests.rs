use super::*;
use crate::policy::Place;

fn mapping(matcher: PeerMatch, role: &str) -> PeerMapping {
    PeerMapping {
        place: Place {
            file: "peers.yaml".into(),
            line: 1,
            column: 1,
        },
        matcher,
        role: role.to_owned(),
        account: AccountId::parse("210000000001").unwrap(),
    }
}

fn spiffe(text: &str, role: &str) -> PeerMapping {
    mapping(PeerMatch::Spiffe(text.to_owned()), role)
}

#[test]
fn only_a_mapped_certificate_counts_and_the_narrowest_mapping_holds() {
    let table = PeerTable::compile(&[
        spiffe("spiffe://acme.test/ns/*/sa/{serviceAccount}", "any"),
        spiffe("spiffe://acme.test/ns/shop/sa/*", "shop"),
        spiffe("spiffe://acme.test/ns/shop/sa/cart", "cart"),
        spiffe("spiffe://acme.test/node", "node"),
        mapping(PeerMatch::Dns("cart.shop.test".to_owned()), "dns"),
        mapping(PeerMatch::Subject("O=Acme,CN=cart".to_owned()), "subject"),
    ])
    .unwrap();
    // (principal, role and session name)
    let cases = [
        ("spiffe://acme.test/ns/shop/sa/cart", Some(("cart", "cart"))),
        ("spiffe://acme.test/ns/shop/sa/pay", Some(("shop", "pay"))),
        ("spiffe://acme.test/ns/bank/sa/a", Some(("any", "a-"))),
        ("spiffe://acme.test/node", Some(("node", "node"))),
        ("spiffe://acme.test/ns/shop/sa/cart/x", None),
        ("spiffe://acme.test/ns/shop", None),
        ("spiffe://acme.test", None),
        ("spiffe://evil.test/ns/shop/sa/cart", None),
        ("spiffe://acme.test.evil/ns/shop/sa/cart", None),
        ("spiffe://acme.test/NS/shop/sa/cart", None),
        ("cart.shop.test", Some(("dns", "cart.shop.test"))),
        ("Cart.shop.test", None),
        ("pay.shop.test", None),
        ("O=Acme,CN=cart", Some(("subject", "O=Acme,CN=cart"))),
        ("CN=cart,O=Acme", None),
        ("https://acme.test/cart", None),
        (" spiffe://acme.test/node", None),
        ("", None),
    ];
    for (principal, expected) in cases {
        let got = table.resolve(principal).unwrap();
        let got = got.as_ref();
        let got = got.map(|peer| (peer.role.as_str(), peer.session_name.as_str()));
        assert_eq!(got, expected, "MTL-01, MTL-02, MTL-03: `{principal}`");
    }
    assert_eq!(
        PeerTable::default().resolve("spiffe://acme.test/node"),
        Ok(None)
    );
}

#[test]
fn a_malformed_id_is_refused_and_not_anonymous() {
    let table = PeerTable::default();
    // (principal, fault, its label, its rule)
    let cases = [
        (
            "SPIFFE://acme.test/x",
            PeerError::Scheme,
            "scheme",
            "MTL-01",
        ),
        (
            "spiffe://Acme.test/x",
            PeerError::TrustDomain,
            "trust_domain",
            "MTL-02",
        ),
        ("spiffe://acme.test/x/..", PeerError::Path, "path", "MTL-01"),
    ];
    for (principal, fault, label, rule) in cases {
        assert_eq!(
            table.resolve(principal),
            Err(fault),
            "MTL-01, SIG-03: `{principal}`"
        );
        assert_eq!((fault.label(), fault.rule()), (label, rule));
    }
}

#[test]
fn the_session_is_named_by_the_service_account() {
    // (id, name)
    let cases = [
        ("spiffe://a/ns/shop/sa/cart", "cart"),
        ("spiffe://a/sa/x/pod/y", "x"),
        ("spiffe://a/sa/x/sa/y", "y"),
        ("spiffe://a/sa/sa", "sa"),
        ("spiffe://a/sa", "sa"),
        ("spiffe://a/region/eu/db", "db"),
    ];
    for (id, name) in cases {
        assert_eq!(session(&SpiffeId::parse(id).unwrap()), name, "MTL-02: {id}");
    }
    let long = format!("spiffe://a/sa/{}", "x".repeat(80));
    let table = PeerTable::compile(&[spiffe("spiffe://a/sa/*", "r")]).unwrap();
    let peer = table.resolve(&long).unwrap().unwrap();
    assert_eq!(peer.session_name, "x".repeat(64), "MTL-02");
}

#[test]
fn doubtful_mappings_are_refused() {
    let dns = |text: &str| mapping(PeerMatch::Dns(text.to_owned()), "r");
    let subject = |text: &str| mapping(PeerMatch::Subject(text.to_owned()), "r");
    // (mappings, rules of the faults)
    let cases = [
        (vec![spiffe("spiffe://*/ns/a", "r")], vec!["MTL-02"]),
        (vec![spiffe("spiffe://{domain}/ns/a", "r")], vec!["MTL-02"]),
        (vec![spiffe("spiffe://*.test/ns/a", "r")], vec!["MTL-02"]),
        (vec![spiffe("spiffe://Acme.test/ns/a", "r")], vec!["MTL-02"]),
        (vec![spiffe("spiffe://acme.test", "r")], vec!["MTL-01"]),
        (vec![spiffe("spiffe://acme.test/", "r")], vec!["MTL-01"]),
        (
            vec![spiffe("spiffe://acme.test/ns/a*", "r")],
            vec!["MTL-01"],
        ),
        (
            vec![spiffe("spiffe://acme.test/ns/**", "r")],
            vec!["MTL-01"],
        ),
        (
            vec![spiffe("spiffe://acme.test/ns/{}", "r")],
            vec!["MTL-01"],
        ),
        (
            vec![spiffe("spiffe://acme.test/ns/{a}b", "r")],
            vec!["MTL-01"],
        ),
        (vec![spiffe("spiffe://acme.test/../a", "r")], vec!["MTL-01"]),
        (vec![spiffe("acme.test/ns/a", "r")], vec!["MTL-01"]),
        (vec![spiffe("spiffe://acme.test/ns/a", "")], vec!["MTL-02"]),
        (
            vec![spiffe("spiffe://a/x", "r"), spiffe("spiffe://a/x", "r")],
            vec!["MTL-02"],
        ),
        (
            vec![spiffe("spiffe://a/x/*", "r"), spiffe("spiffe://a/*/y", "s")],
            vec!["MTL-02"],
        ),
        (
            vec![
                spiffe("spiffe://a/*/y", "r"),
                spiffe("spiffe://a/{b}/y", "s"),
            ],
            vec!["MTL-02"],
        ),
        (
            vec![spiffe("spiffe://a/x/*", "r"), spiffe("spiffe://b/*/y", "s")],
            vec![],
        ),
        (vec![dns("*.shop.test")], vec!["MTL-01"]),
        (vec![dns("Cart.shop.test")], vec!["MTL-01"]),
        (vec![dns("cart..test")], vec!["MTL-01"]),
        (vec![dns("spiffe://a/b")], vec!["MTL-01"]),
        (vec![dns("")], vec!["MTL-01"]),
        (vec![dns("a.test"), dns("a.test")], vec!["MTL-02"]),
        (vec![subject("cart")], vec!["MTL-01"]),
        (vec![subject("spiffe://a/b=c")], vec!["MTL-01"]),
        (vec![subject("https://a/b=c")], vec!["MTL-01"]),
        (vec![subject("")], vec!["MTL-01"]),
        (
            vec![dns("*"), subject("x"), dns("ok.test")],
            vec!["MTL-01", "MTL-01"],
        ),
    ];
    for (mappings, rules) in cases {
        let faults = PeerTable::compile(&mappings).err().unwrap_or_default();
        let got: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
        assert_eq!(got, rules, "{mappings:?}");
    }
}
