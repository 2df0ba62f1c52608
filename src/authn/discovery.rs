//! The discovery document of an issuer (OID-02).

use crate::authn::json::{self, Json};

/// Why a discovery document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not strict JSON, or without the members that count.
    #[error("the discovery document is no JSON object with `issuer` and `jwks_uri`")]
    Form,
    /// It is another issuer's.
    #[error("the discovery document is of the issuer `{}`", .0.escape_debug())]
    Issuer(String),
    /// The key set is not to be had by https.
    #[error("`jwks_uri` is `{}`, which is not an https address", .0.escape_debug())]
    Address(String),
    /// The key set is on a host that nobody listed.
    #[error("`jwks_uri` is on the host `{}`, which is neither the issuer's nor listed in `hosts`", .0.escape_debug())]
    Host(String),
}

/// The address of the key set that a discovery document names, if it may be believed: the document
/// is of exactly this issuer, and the address is https on the issuer's own host or a listed one.
///
/// # Errors
///
/// [`DiscoveryError`].
pub fn jwks_uri(document: &[u8], issuer: &str, hosts: &[String]) -> Result<String, DiscoveryError> {
    let members = json::object(document).map_err(|_| DiscoveryError::Form)?;
    let text = |name| match members.get(name) {
        Some(Json::Text(text)) => Ok(text.as_str()),
        _ => Err(DiscoveryError::Form),
    };
    let (named, address) = (text("issuer")?, text("jwks_uri")?);
    let cut = |text: &str| text.chars().take(256).collect::<String>();
    if named != issuer {
        return Err(DiscoveryError::Issuer(cut(named)));
    }
    let of_keys = host(address).ok_or_else(|| DiscoveryError::Address(cut(address)))?;
    let is_own = host(issuer).is_some_and(|own| own == of_keys);
    if !is_own && !hosts.contains(&of_keys) {
        return Err(DiscoveryError::Host(cut(&of_keys)));
    }
    Ok(address.to_owned())
}

/// The host of an https address, in lower case and without port.
fn host(address: &str) -> Option<String> {
    let rest = address.strip_prefix("https://")?;
    let is_plain = rest.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    let authority = rest.split(['/', '?', '#']).next()?;
    if !is_plain || authority.is_empty() || authority.contains(['@', '\\']) {
        return None;
    }
    let name = match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_is_believed_about_its_own_issuer_alone() {
        use DiscoveryError as E;
        let issuer = "https://login.example.com/tenant";
        let document = |issuer: &str, uri: &str| {
            format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}","more":[1]}}"#)
        };
        let own = "https://login.example.com/keys";
        let listed = "https://keys.example.net:8443/set";
        let cases = [
            (document(issuer, own), Ok(own)),
            (document(issuer, listed), Ok(listed)),
            (
                document(issuer, "https://LOGIN.example.com/k"),
                Ok("https://LOGIN.example.com/k"),
            ),
            (
                document("https://login.example.com/tenant/", own),
                Err(E::Issuer("https://login.example.com/tenant/".into())),
            ),
            (
                document(issuer, "http://login.example.com/keys"),
                Err(E::Address("http://login.example.com/keys".into())),
            ),
            (
                document(issuer, "https://login.example.com@evil.test/keys"),
                Err(E::Address(
                    "https://login.example.com@evil.test/keys".into(),
                )),
            ),
            (
                document(issuer, "https://evil.test/login.example.com"),
                Err(E::Host("evil.test".into())),
            ),
            (
                document(issuer, "https://login.example.com.evil.test/"),
                Err(E::Host("login.example.com.evil.test".into())),
            ),
            (r#"{"issuer":"x"}"#.to_owned(), Err(E::Form)),
            (
                r#"{"issuer":"x","issuer":"y","jwks_uri":"z"}"#.to_owned(),
                Err(E::Form),
            ),
            ("[]".to_owned(), Err(E::Form)),
        ];
        for (text, expected) in cases {
            let got = jwks_uri(text.as_bytes(), issuer, &["keys.example.net".to_owned()]);
            assert_eq!(got.as_deref(), expected.as_deref(), "OID-02: {text}");
        }
    }
}
