//! How a session token is sealed (TOK-11, TOK-12).
//!
//! ```text
//! header: version 01 · suite 01 · read key u32 · signing key u32 · token id 16 · access key 10
//! body:   AES-256-GCM(claims), the header as associated data
//! tail:   Ed25519 over label ‖ header ‖ body
//! ```

use crate::authn::access_key_id::AccessKeyBytes;
use crate::model::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// The version of the layout.
const VERSION: u8 = 1;
/// AES-256-GCM, HKDF-SHA-256 and Ed25519. Another algorithm is another suite with other key ids
/// (TOK-20).
const SUITE: u8 = 1;
/// The length of the header, in bytes.
const HEADER: usize = 36;
/// The length of a signature, in bytes.
const SIGNATURE: usize = 64;
/// The length of the tag of a sealed body, in bytes.
const TAG: usize = 16;
/// What an envelope adds to claims, in bytes.
pub(super) const OVERHEAD: usize = HEADER + TAG + SIGNATURE;
/// What a signature is over begins with this, so that it is none of anything else (TOK-06).
const LABEL: &[u8] = b"sidegate-session-token/v1\0";
const SEAL: &[u8] = b"sidegate/v1/seal";
const SECRET: &[u8] = b"sidegate/v1/secret";
const MESSAGE: &[u8] = b"sidegate/v1/message";

/// The id of a token.
pub type TokenId = [u8; 16];

/// Reads tokens and derives their secrets; it cannot mint, for it does not sign.
#[derive(Clone)]
pub(super) struct ReadKey(Zeroizing<[u8; 32]>);

/// Verifies who issued a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct VerifyKey(pub(super) [u8; 32]);

/// Signs tokens.
pub(super) struct SignKey(Ed25519KeyPair);

/// The part of a token that can be read without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) read_key: u32,
    pub(super) signing_key: u32,
    pub(super) id: TokenId,
    pub(super) access_key: AccessKeyBytes,
}

/// A token, cut into its parts.
pub(super) struct Envelope<'t> {
    pub(super) header: Header,
    whole: &'t [u8],
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts: [&[u8]; 5] = [
            &[VERSION, SUITE],
            &self.read_key.to_be_bytes(),
            &self.signing_key.to_be_bytes(),
            &self.id,
            &self.access_key.0,
        ];
        let mut places = bytes.iter_mut();
        for byte in parts.into_iter().flatten() {
            if let Some(place) = places.next() {
                *place = *byte;
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk::<2>()?;
        let (read_key, rest) = rest.split_first_chunk::<4>()?;
        let (signing_key, rest) = rest.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (access_key, _) = rest.split_first_chunk::<10>()?;
        (*start == [VERSION, SUITE]).then_some(Self {
            read_key: u32::from_be_bytes(*read_key),
            signing_key: u32::from_be_bytes(*signing_key),
            id: *id,
            access_key: AccessKeyBytes(*access_key),
        })
    }
}

/// Seals claims. `None` when a primitive fails, which it does not with keys of the right length.
pub(super) fn seal(
    header: Header,
    claims: &[u8],
    reading: &ReadKey,
    signing: &SignKey,
) -> Option<Vec<u8>> {
    let head = header.to_bytes();
    let mut body = claims.to_vec();
    reading.seal(SEAL, &header.id, &head, &mut body)?;
    let mut token = Vec::with_capacity(HEADER + body.len() + SIGNATURE);
    token.extend_from_slice(&head);
    token.append(&mut body);
    let signature = signing.0.sign(&signed(&token));
    token.extend_from_slice(signature.as_ref());
    Some(token)
}

fn signed(content: &[u8]) -> Vec<u8> {
    [LABEL, content].concat()
}

impl<'t> Envelope<'t> {
    /// Cuts a token into its parts.
    pub(super) fn cut(whole: &'t [u8]) -> Option<Self> {
        if whole.len() < HEADER + TAG + SIGNATURE {
            return None;
        }
        Header::read(whole).map(|header| Self { header, whole })
    }

    /// The claims, if the key opens them and the issuer signed them.
    pub(super) fn open(
        &self,
        reading: &ReadKey,
        verifying: &VerifyKey,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let end = self.whole.len().checked_sub(SIGNATURE)?;
        let (content, signature) = self.whole.split_at_checked(end)?;
        let (head, body) = content.split_at_checked(HEADER)?;
        let mut claims = Zeroizing::new(body.to_vec());
        let length = reading.open(SEAL, &self.header.id, head, &mut claims)?;
        claims.truncate(length);
        let key = UnparsedPublicKey::new(&ED25519, verifying.0);
        key.verify(&signed(content), signature).ok()?;
        Some(claims)
    }

    /// The secret that signs requests of this token: 40 characters, and others for every other
    /// token.
    pub(super) fn secret(&self, reading: &ReadKey) -> Option<Secret> {
        secret(self.whole, reading)
    }
}

/// The secret of a whole token.
pub(super) fn secret(token: &[u8], reading: &ReadKey) -> Option<Secret> {
    let key = reading.derive(&[], SECRET)?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), token);
    let (first, _) = tag.as_ref().split_first_chunk::<30>()?;
    Some(Secret::new(STANDARD.encode(first).into_bytes()))
}

/// The length of what is derived.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl ReadKey {
    pub(super) fn new(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    fn expand(&self, salt: &[u8], info: &[u8], out: &mut [u8]) -> Option<()> {
        let prk: Prk = Salt::new(HKDF_SHA256, salt).extract(&*self.0);
        let length = Length(out.len());
        prk.expand(&[info], length).ok()?.fill(out).ok()
    }

    fn derive(&self, salt: &[u8], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        self.expand(salt, info, &mut *key)?;
        Some(key)
    }

    /// A key and a nonce for one message only: `salt` is never used twice.
    fn once(&self, info: &[u8], salt: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let mut okm = Zeroizing::new([0; 44]);
        self.expand(salt, info, &mut *okm)?;
        let (key, nonce) = okm.split_first_chunk::<32>()?;
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        Some((LessSafeKey::new(key), nonce))
    }

    fn seal(&self, info: &[u8], salt: &[u8], beside: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
        let (key, nonce) = self.once(info, salt)?;
        key.seal_in_place_append_tag(nonce, Aad::from(beside), bytes)
            .ok()
    }

    fn open(&self, info: &[u8], salt: &[u8], beside: &[u8], bytes: &mut [u8]) -> Option<usize> {
        let (key, nonce) = self.once(info, salt)?;
        let opened = key.open_in_place(nonce, Aad::from(beside), bytes).ok()?;
        Some(opened.len())
    }

    /// Seals a message that is no token (DAM-01). `salt` is by chance, and stands before it.
    pub(super) fn seal_message(&self, id: u32, salt: &TokenId, message: &[u8]) -> Option<Vec<u8>> {
        let mut body = message.to_vec();
        self.seal(MESSAGE, salt, &id.to_be_bytes(), &mut body)?;
        Some([&id.to_be_bytes(), salt.as_slice(), &body].concat())
    }

    /// Opens what [`seal_message`](Self::seal_message) sealed.
    pub(super) fn open_message(&self, id: u32, salt: &TokenId, body: &[u8]) -> Option<Vec<u8>> {
        let mut message = body.to_vec();
        let length = self.open(MESSAGE, salt, &id.to_be_bytes(), &mut message)?;
        message.truncate(length);
        Some(message)
    }
}

impl SignKey {
    /// The key of a seed; `None` when the public key is another one's.
    pub(super) fn new(seed: &[u8; 32], public: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .ok()
            .map(Self)
    }

    /// The public key of a seed.
    pub(super) fn public_key(seed: &[u8; 32]) -> Option<[u8; 32]> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        pair.public_key().as_ref().try_into().ok()
    }
}

impl fmt::Debug for ReadKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadKey([redacted])")
    }
}

impl fmt::Debug for SignKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignKey([redacted])")
    }
}
