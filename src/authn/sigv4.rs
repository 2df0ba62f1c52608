//! SigV4: whether a signed call is signed by the key that it names, and covers what a decision may
//! rest on (section 1 of the signing rules).
//!
//! The steps are the caller's to take in order, for the first failure answers (SIG-36): read
//! ([`SignedCall`]), [`check_scope`](SignedCall::check_scope),
//! [`check_clock`](SignedCall::check_clock), [`check_token`](SignedCall::check_token), find the
//! key, [`verify`](SignedCall::verify).

mod canonical;
mod error;
mod key;
mod presented;
mod time;

pub use error::SigV4Error;
pub use key::SigningKey;
pub use presented::{SignatureForm, SignedCall};

use crate::model::{Body, HttpCall, Timestamp};
use crate::policy::{PayloadMode, Signing};
use aws_lc_rs::digest;
use canonical::Canonical;
use presented::ALGORITHM;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const SIGNED_CHUNKS: [&str; 2] = [
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
];
const CONTENT_HASH: &str = "x-amz-content-sha256";

/// What a signature says of the body, and the line of the canonical request that says so.
struct Payload {
    line: Box<str>,
    kind: PayloadKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PayloadKind {
    /// The hash of a header.
    Stated,
    /// The hash of the body at hand.
    Computed,
    /// A signed address of a service that signs no bodies of those.
    Address,
    Literal(PayloadMode),
}

impl SignedCall<'_> {
    /// SIG-31, SIG-32.
    ///
    /// # Errors
    ///
    /// The [`SigV4Error`] that says what the scope should be.
    pub fn check_scope(&self, signing: &Signing) -> Result<(), SigV4Error> {
        let credential = &self.credential;
        if credential.terminator() != "aws4_request" {
            return Err(SigV4Error::Terminator);
        }
        let region = credential.region();
        if !signing.regions.iter().any(|known| known == region) {
            return Err(SigV4Error::Region {
                given: region.to_owned(),
                expected: signing.regions.first().cloned().unwrap_or_default(),
            });
        }
        if credential.service() != signing.service {
            return Err(SigV4Error::Service(signing.service.clone()));
        }
        let signed_at = time::to_basic(self.at);
        let day = signed_at.get(..8).unwrap_or_default();
        if credential.date() != day {
            return Err(SigV4Error::ScopeDate {
                scope: credential.date().to_owned(),
                day: day.to_owned(),
                time: signed_at.clone(),
            });
        }
        Ok(())
    }

    /// SIG-33, SIG-34.
    ///
    /// # Errors
    ///
    /// The [`SigV4Error`] that says by which limit the call is too early or too late.
    pub fn check_clock(&self, signing: &Signing, now: Timestamp) -> Result<(), SigV4Error> {
        let (at, skew_s) = (self.at, signing.max_skew_s);
        let age_s = now.seconds().saturating_sub(at.seconds());
        if age_s < -i64::from(skew_s) {
            return Err(SigV4Error::TooNew { at, now, skew_s });
        }
        match self.form {
            SignatureForm::Header if age_s > i64::from(skew_s) => {
                Err(SigV4Error::TooOld { at, now, skew_s })
            }
            SignatureForm::Query if self.expires_s > signing.max_presign_s => {
                Err(SigV4Error::PresignTooLong(signing.max_presign_s))
            }
            SignatureForm::Query if age_s >= i64::from(self.expires_s) => Err(SigV4Error::Expired),
            SignatureForm::Header | SignatureForm::Query => Ok(()),
        }
    }

    /// SIG-48: a temporary key has a token and a long-term key has none.
    ///
    /// # Errors
    ///
    /// [`SigV4Error::TokenMisplaced`].
    pub fn check_token(&self) -> Result<(), SigV4Error> {
        let key = self.access_key_id();
        let is_wrong = match self.token() {
            Some(_) => key.starts_with("AKIA"),
            None => key.starts_with("ASIA"),
        };
        if is_wrong {
            return Err(SigV4Error::TokenMisplaced);
        }
        Ok(())
    }

    /// Whether `key` signed this call, and whether the signature covers what a decision may rest
    /// on; gives what is known of the body.
    ///
    /// # Errors
    ///
    /// The [`SigV4Error`]: of the signature first, and of what it covers then (SIG-36).
    pub fn verify(
        &self,
        call: &HttpCall,
        signing: &Signing,
        key: &SigningKey,
    ) -> Result<PayloadMode, SigV4Error> {
        let payload = self.payload(call, signing)?;
        let raw_path = signing.signs_raw_path();
        let mut canonical = Canonical::of(call, raw_path, &payload.line)?;
        let mut verifies = self.is_signed(call, key, &canonical)?;
        // SIG-46: in an address the token may have been added after signing.
        let is_beside = self.form == SignatureForm::Query && self.token.is_some();
        if !verifies && signing.unsigned_token && is_beside {
            canonical.forget_token(call)?;
            verifies = self.is_signed(call, key, &canonical)?;
        }
        if !verifies {
            return Err(SigV4Error::Mismatch);
        }
        let mode = self.payload_mode(call, signing, &payload)?;
        self.check_coverage(call, signing)?;
        Ok(mode)
    }

    /// Whether `key` signed this canonical request, with any of the hosts that it could have.
    fn is_signed(
        &self,
        call: &HttpCall,
        key: &SigningKey,
        canonical: &Canonical<'_>,
    ) -> Result<bool, SigV4Error> {
        let signature = self.signature.ok_or(SigV4Error::Mismatch)?;
        for host in canonical::hosts(call)? {
            let mut context = digest::Context::new(&digest::SHA256);
            canonical.write(self, &call.headers, &host, |bytes| context.update(bytes))?;
            let text = self.string_to_sign(context.finish().as_ref());
            if key.verifies(text.as_bytes(), &signature) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The canonical request, for whoever wants to compare it with another signer's.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), before the signature is looked at.
    pub fn canonical_request(
        &self,
        call: &HttpCall,
        signing: &Signing,
    ) -> Result<Vec<u8>, SigV4Error> {
        let payload = self.payload(call, signing)?;
        let canonical = Canonical::of(call, signing.signs_raw_path(), &payload.line)?;
        let mut bytes = Vec::new();
        for host in canonical::hosts(call)?.into_iter().take(1) {
            canonical.write(self, &call.headers, &host, |part| {
                bytes.extend_from_slice(part);
            })?;
        }
        Ok(bytes)
    }

    /// SIG-28.
    fn string_to_sign(&self, hash: &[u8]) -> String {
        let time = time::to_basic(self.at);
        let hash = hex(hash);
        format!("{ALGORITHM}\n{time}\n{}\n{hash}", self.credential.scope())
    }

    /// SIG-27: the last line of the canonical request.
    fn payload(&self, call: &HttpCall, signing: &Signing) -> Result<Payload, SigV4Error> {
        if call.headers.has(CONTENT_HASH) {
            let stated = call.headers.single(CONTENT_HASH).ok().flatten();
            let stated = stated.ok_or(SigV4Error::PayloadMode)?;
            let literal = |mode| PayloadKind::Literal(mode);
            let kind = match stated {
                UNSIGNED => literal(PayloadMode::Unsigned),
                UNSIGNED_TRAILER => literal(PayloadMode::UnsignedTrailer),
                _ if SIGNED_CHUNKS.contains(&stated) => literal(PayloadMode::SignedChunks),
                _ if is_hash(stated) => PayloadKind::Stated,
                _ => return Err(SigV4Error::PayloadMode),
            };
            return Ok(Payload {
                line: stated.into(),
                kind,
            });
        }
        if self.form == SignatureForm::Query && signing.signs_raw_path() {
            return Ok(Payload {
                line: UNSIGNED.into(),
                kind: PayloadKind::Address,
            });
        }
        match &call.body {
            Body::Known(bytes) => Ok(Payload {
                line: hex(digest::digest(&digest::SHA256, bytes).as_ref()).into(),
                kind: PayloadKind::Computed,
            }),
            Body::Unknown => Err(SigV4Error::BodyUnknown),
        }
    }

    /// SIG-44, ENV-04, ENV-05, STR-02 to STR-05: what is known of the body, if it is enough.
    fn payload_mode(
        &self,
        call: &HttpCall,
        signing: &Signing,
        payload: &Payload,
    ) -> Result<PayloadMode, SigV4Error> {
        let has_no_body = matches!(&call.body, Body::Known(bytes) if bytes.is_empty());
        let mode = match payload.kind {
            PayloadKind::Computed => return Ok(PayloadMode::Verified),
            // Where there is no body, nothing of it is left unsigned.
            PayloadKind::Address if has_no_body => return Ok(PayloadMode::Verified),
            // The protocol has no other way to sign such an address, so whoever accepts those
            // accepts this.
            PayloadKind::Address => return Ok(PayloadMode::Unsigned),
            PayloadKind::Stated => match &call.body {
                Body::Known(bytes) => {
                    let hash = hex(digest::digest(&digest::SHA256, bytes).as_ref());
                    if *hash != *payload.line {
                        return Err(SigV4Error::PayloadDiffers);
                    }
                    return Ok(PayloadMode::Verified);
                }
                Body::Unknown => PayloadMode::Signed,
            },
            PayloadKind::Literal(mode) => mode,
        };
        let is_stream = matches!(
            mode,
            PayloadMode::UnsignedTrailer | PayloadMode::SignedChunks
        );
        // STR-05.
        let is_upload = self.form == SignatureForm::Header && call.method == "PUT";
        if !signing.accepts(mode) || (is_stream && !is_upload) {
            return Err(SigV4Error::PayloadRefused);
        }
        Ok(mode)
    }

    /// SIG-40 to SIG-42, SIG-45, SIG-46. The headers that a route reads are known to whoever maps
    /// the call (SIG-43).
    fn check_coverage(&self, call: &HttpCall, signing: &Signing) -> Result<(), SigV4Error> {
        let demand = |rule, header: &str| {
            if self.signs(header) {
                return Ok(());
            }
            let header = header.to_owned();
            Err(SigV4Error::Unsigned { rule, header })
        };
        demand("SIG-40", "host")?;
        if self.form == SignatureForm::Header {
            demand(
                "SIG-41",
                if self.is_dated_by_date {
                    "date"
                } else {
                    "x-amz-date"
                },
            )?;
        }
        for (name, _) in call.headers.iter() {
            // A server that folds underscores reads one as the other.
            if !name.replace('_', "-").starts_with("x-amz-") {
                continue;
            }
            let is_excused = signing.unsigned_headers.iter().any(|known| known == name);
            let is_token = name == "x-amz-security-token";
            if is_token && signing.unsigned_token && self.form == SignatureForm::Header {
                continue;
            }
            if !is_excused {
                let rule = if is_token { "SIG-46" } else { "SIG-42" };
                demand(rule, name)?;
            }
        }
        let (path, _) = canonical::split(&call.target);
        if !signing.signs_raw_path() && canonical::is_ambiguous(path) {
            return Err(SigV4Error::AmbiguousPath);
        }
        Ok(())
    }
}

fn is_hash(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(digit)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
    text
}
