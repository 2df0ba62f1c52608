//! A signer that signs what it is told, good sense or not, by the published recipe of SigV4.

#![expect(clippy::disallowed_methods, reason = "a signature is made now")]

use aws_lc_rs::{digest, hmac};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request to be signed, and what of it.
#[derive(Clone, Debug)]
pub(crate) struct ToSign<'s> {
    pub(crate) id: &'s str,
    pub(crate) secret: &'s str,
    pub(crate) service: &'s str,
    pub(crate) method: &'s str,
    pub(crate) host: &'s str,
    /// As it is sent.
    pub(crate) target: &'s str,
    /// As it stands in the canonical request.
    pub(crate) canonical_path: &'s str,
    pub(crate) canonical_query: &'s str,
    /// Headers that are sent, and whether each is signed.
    pub(crate) headers: Vec<(&'s str, &'s str, bool)>,
    /// The last line of the canonical request.
    pub(crate) payload: &'s str,
    pub(crate) signs_host: bool,
    pub(crate) signs_date: bool,
}

const REGION: &str = "eu-west-1";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The time by which it signs.
pub(crate) fn now() -> sidegate::model::Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    sidegate::model::Timestamp::from_seconds(now.as_secs().cast_signed())
}

/// `YYYYMMDDTHHMMSSZ`, a number of seconds from now.
pub(crate) fn time(offset_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = now.as_secs().cast_signed() + offset_s;
    let iso = sidegate::model::Timestamp::from_seconds(at).to_iso();
    iso.replace(['-', ':'], "")
}

impl ToSign<'_> {
    /// Every header to send, the signature among them.
    pub(crate) fn sign(&self) -> Vec<(String, String)> {
        let at = time(0);
        let mut signed: Vec<(String, String)> = Vec::new();
        let mut sent: Vec<(String, String)> = vec![("host".to_owned(), self.host.to_owned())];
        if self.signs_host {
            signed.push(("host".to_owned(), self.host.to_owned()));
        }
        let dated = ("x-amz-date", at.as_str(), self.signs_date);
        for (name, value, is_signed) in self.headers.iter().chain([&dated]) {
            sent.push(((*name).to_owned(), (*value).to_owned()));
            if *is_signed {
                signed.push((name.to_lowercase(), (*value).to_owned()));
            }
        }
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: Vec<String> = signed
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{names}\n{}",
            self.method,
            self.canonical_path,
            self.canonical_query,
            lines.concat(),
            self.payload
        );
        let day = &at[..8];
        let scope = format!("{day}/{REGION}/{}/aws4_request", self.service);
        let hash = sha256(canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{hash}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, REGION, self.service, "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        let signature = hex(&mac(&key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.id
        );
        sent.push(("authorization".to_owned(), authorization));
        sent
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

/// The bytes of a request.
pub(crate) fn bytes(
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    let mut all = head.into_bytes();
    all.extend_from_slice(body);
    all
}
