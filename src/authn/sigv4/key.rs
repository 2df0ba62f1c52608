//! Signing keys: what a secret becomes for one day, region and service (SIG-29).

use aws_lc_rs::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// The key that signs the requests of one day to one service in one region.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Derives the key from a secret.
    #[must_use]
    pub fn derive(secret: &[u8], date: &str, region: &str, service: &str) -> Self {
        let mut key = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        key.extend_from_slice(b"AWS4");
        key.extend_from_slice(secret);
        for part in [date, region, service, "aws4_request"] {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
            key.clear();
            key.extend_from_slice(tag.as_ref());
        }
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// A key that somebody else derived (KEY-01): 32 bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// Whether `signature` is this key's over `text`, in constant time (SIG-30).
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8; 32]) -> bool {
        hmac::verify(&self.0, text, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey([redacted])")
    }
}
