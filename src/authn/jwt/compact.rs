//! A token as it is written: three parts in base64url.

use crate::authn::base64url;
use crate::authn::json::{self, Json, Object};
use crate::authn::jwt::{JwtError, Part, Verifier};
use crate::policy::SigningAlgorithm;

/// A token taken apart and not yet believed.
pub(super) struct Compact<'a> {
    /// The `alg` of the header; `None` when it names an algorithm that is never accepted, as `none`
    /// and the `HS` family are (JWT-02).
    pub(super) algorithm: Option<SigningAlgorithm>,
    /// The `kid` of the header.
    pub(super) key_id: Option<String>,
    /// The claims.
    pub(super) claims: Object,
    /// The bytes that are signed: header and payload as written.
    pub(super) signed: &'a [u8],
    /// The signature.
    pub(super) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart (JWT-01).
    pub(super) fn read(token: &'a str) -> Result<Self, JwtError> {
        // Base64url is ASCII, so that a token has as many bytes as characters or is refused anyway.
        if token.len() > Verifier::MAX_CHARS {
            return Err(JwtError::TooLong {
                length: token.len(),
            });
        }
        let (signed, signature) = match token.bytes().filter(|byte| *byte == b'.').count() {
            2 => token.rsplit_once('.').ok_or(JwtError::Form)?,
            4 => return Err(JwtError::Encrypted),
            _ => return Err(JwtError::Form),
        };
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Form)?;
        let header = object(header, Part::Header)?;
        let claims = object(payload, Part::Payload)?;
        let signature = bytes(signature, Part::Signature)?;
        if header.contains_key("crit") {
            return Err(JwtError::CriticalExtension);
        }
        if header.contains_key("b64") {
            return Err(JwtError::UnencodedPayload);
        }
        if parameter(&header, "typ")?.is_some_and(is_for_another_purpose) {
            return Err(JwtError::OtherPurpose);
        }
        let algorithm = parameter(&header, "alg")?.ok_or(JwtError::Header("alg"))?;
        Ok(Self {
            algorithm: SigningAlgorithm::parse(algorithm),
            key_id: parameter(&header, "kid")?.map(str::to_owned),
            claims,
            signed: signed.as_bytes(),
            signature,
        })
    }
}

/// Whether a `typ` says that the token is no identity: an explicit type such as `logout+jwt`. The
/// access token of RFC 9068 is one, and so is whatever has a plain type or none.
fn is_for_another_purpose(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    typ.ends_with("+jwt") && typ != "at+jwt"
}

fn parameter<'h>(header: &'h Object, name: &'static str) -> Result<Option<&'h str>, JwtError> {
    match header.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(JwtError::Header(name)),
    }
}

fn object(text: &str, part: Part) -> Result<Object, JwtError> {
    json::object(&bytes(text, part)?).map_err(|fault| JwtError::Json { part, fault })
}

fn bytes(text: &str, part: Part) -> Result<Vec<u8>, JwtError> {
    base64url::decode(text).ok_or(JwtError::Encoding { part })
}
