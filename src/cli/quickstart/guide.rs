//! What the quickstart prints: commands that work when they are pasted.

use super::{BESIDE, Quickstart, Token};
use crate::config::Address;
use crate::server::Addresses;
use std::fmt::Write as _;

pub(super) fn text(example: &Quickstart, addresses: &Addresses) -> String {
    let mut text = String::from(
        "\nSidegate decides by an example bundle: the services `orders` and `invoices`, the roles\n\
         `order-reader` and `order-clerk`, and an issuer whose key was made for this run.\n\n",
    );
    tokens(example, &mut text);
    if let Some(http) = &addresses.http {
        forward_auth(http, &mut text);
    }
    let tcp = addresses
        .decisions
        .iter()
        .find(|address| matches!(address, Address::Tcp(_)));
    if let Some(grpc) = tcp {
        checks(grpc, &mut text);
    }
    if let Some(admin) = &addresses.admin {
        let _ = write!(
            text,
            "# What is in force, and what was counted\n\
             curl http://{admin}/snapshot\n\
             curl -s http://{admin}/metrics | grep sidegate_decisions_total\n\n",
        );
    }
    if let Some(directory) = &example.directory {
        let directory = directory.display();
        let _ = write!(
            text,
            "# The bundle stands in {directory}/. Edit a policy, ask again, and the answer has changed.\n\
             # With the real Envoy in front, and any server behind it at 127.0.0.1:8081:\n\
             envoy -c {directory}/{BESIDE}/envoy.yaml\n\n",
        );
    }
    text.push_str("Ctrl-C ends it.\n\n");
    text
}

fn tokens(example: &Quickstart, text: &mut String) {
    text.push_str("# Tokens of three people, for 12 hours\n");
    for Token {
        name,
        about,
        text: token,
    } in &example.tokens
    {
        let variable = name.to_ascii_uppercase();
        let value = match &example.directory {
            Some(directory) => format!("$(cat {}/{BESIDE}/{name}.jwt)", directory.display()),
            None => token.clone(),
        };
        let _ = writeln!(text, "{variable}={value}   # {about}");
    }
    text.push('\n');
}

fn forward_auth(address: &Address, text: &mut String) {
    // (who, method, path, what to expect)
    let cases = [
        ("BEN", "GET", "/v1/orders/7", "200: readers read"),
        (
            "BEN",
            "GET",
            "/v1/orders/sealed-1",
            "403: a statement denies it to everybody",
        ),
        ("BEN", "DELETE", "/v1/orders/7", "403: only clerks write"),
        ("ANA", "DELETE", "/v1/orders/7", "200: Ana is a clerk"),
        (
            "MALLORY",
            "GET",
            "/v1/orders/7",
            "401: nobody vouches for the token",
        ),
        (
            "ANA",
            "GET",
            "/v1/orders/../orders/7",
            "400: two servers would read it differently",
        ),
    ];
    let _ = write!(
        text,
        "# As Traefik or Caddy ask\n\
         ask() {{ curl -si http://{address}/authorize -H \"authorization: Bearer $1\" \\\n    \
         -H \"x-forwarded-method: $2\" -H \"x-forwarded-uri: $3\" -H 'x-forwarded-proto: https' \\\n    \
         -H 'x-forwarded-host: shop.test' -H 'x-forwarded-for: 192.0.2.7'; echo; }}\n",
    );
    for (who, method, path, expected) in cases {
        let _ = writeln!(text, "ask \"${who}\" {method} {path}   # {expected}");
    }
    text.push('\n');
}

fn checks(address: &Address, text: &mut String) {
    let _ = write!(
        text,
        "# As Envoy asks, and as a service of yours may ask\n\
         grpcurl -plaintext -d '{{\"attributes\": {{\"request\": {{\"http\": {{\"method\": \"GET\", \"path\": \"/v1/orders/7\",\n    \
         \"host\": \"shop.test\", \"scheme\": \"https\", \"headers\": {{\"authorization\": \"Bearer '$BEN'\"}}}}}}}}}}' \\\n    \
         {address} envoy.service.auth.v3.Authorization/Check\n\
         grpcurl -plaintext -d '{{\"principal\": \"arn:aws:iam::210000000001:user/ana\", \"action\": \"orders:GetOrder\",\n    \
         \"resource\": \"arn:aws:orders:eu-1:210000000001:order/7\"}}' {address} sidegate.v1.Authorization/IsAuthorized\n\n",
    );
}
