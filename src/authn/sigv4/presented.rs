//! What a signed call says of its own signature, read strictly (section 1.2 of the signing rules).

use crate::authn::sigv4::error::SigV4Error;
use crate::authn::sigv4::time;
use crate::model::percent;
use crate::model::{HttpCall, Timestamp};
use std::borrow::Cow;

/// The algorithm, exactly so (SIG-01).
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest `authorization` header, in bytes (SIG-06).
const MAX_HEADER: usize = 8 * 1024;
/// The longest query of a signed address, in bytes.
pub(super) const MAX_QUERY: usize = 16 * 1024;
/// The most signed headers (SIG-08).
const MAX_SIGNED_HEADERS: usize = 64;
/// Digits of a signature (SIG-09).
const SIGNATURE_DIGITS: usize = 64;

/// Where the signature of a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// In the `authorization` header.
    Header,
    /// In the query: a signed address.
    Query,
}

/// What a call says of its own signature: read, and not yet believed.
#[derive(Clone)]
pub struct SignedCall<'c> {
    pub(super) form: SignatureForm,
    pub(super) credential: Credential<'c>,
    /// Names in ascending order with `;` between them.
    pub(super) signed_headers: Cow<'c, str>,
    /// `None` when it is no signature that anybody could have made (SIG-09).
    pub(super) signature: Option<[u8; 32]>,
    pub(super) at: Timestamp,
    /// Whether the time came from `date`, not from `x-amz-date`.
    pub(super) is_dated_by_date: bool,
    /// The life of a signed address, in seconds.
    pub(super) expires_s: u32,
    pub(super) token: Option<Cow<'c, str>>,
}

/// An access key with its scope (SIG-07).
#[derive(Clone)]
pub(super) struct Credential<'c> {
    text: Cow<'c, str>,
    /// Where the last four slashes stand, in order.
    slashes: [usize; 4],
}

impl<'c> Credential<'c> {
    fn read(text: Cow<'c, str>) -> Option<Self> {
        let mut found = text.rmatch_indices('/').map(|(at, _)| at);
        let (d, c, b, a) = (found.next()?, found.next()?, found.next()?, found.next()?);
        let credential = Self {
            text,
            slashes: [a, b, c, d],
        };
        let of_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let key = credential.access_key_id();
        let is_key = (1..=128).contains(&key.len()) && key.bytes().all(of_key);
        let date = credential.date();
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = |word: &str| {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !word.is_empty() && word.len() <= 64 && word.bytes().all(fits)
        };
        let words = [
            credential.region(),
            credential.service(),
            credential.terminator(),
        ];
        (is_key && is_date && words.into_iter().all(is_word)).then_some(credential)
    }

    fn part(&self, index: usize) -> &str {
        let start = match index.checked_sub(1).and_then(|at| self.slashes.get(at)) {
            Some(slash) => slash + 1,
            None => 0,
        };
        let end = self.slashes.get(index).copied();
        let end = end.unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn access_key_id(&self) -> &str {
        self.part(0)
    }

    pub(super) fn date(&self) -> &str {
        self.part(1)
    }

    pub(super) fn region(&self) -> &str {
        self.part(2)
    }

    pub(super) fn service(&self) -> &str {
        self.part(3)
    }

    pub(super) fn terminator(&self) -> &str {
        self.part(4)
    }

    /// Date, region, service and terminator, as written.
    pub(super) fn scope(&self) -> &str {
        let [first, ..] = self.slashes;
        self.text.get(first + 1..).unwrap_or_default()
    }
}

impl<'c> SignedCall<'c> {
    /// Reads the header form (SIG-06 to SIG-10).
    ///
    /// # Errors
    ///
    /// The [`SigV4Error`] for the first part that is missing, repeated, unknown or malformed.
    pub fn of_header(call: &'c HttpCall) -> Result<Self, SigV4Error> {
        let header = call.headers.joined("authorization");
        let text = header.ok().flatten().ok_or(SigV4Error::Algorithm)?;
        if text.len() > MAX_HEADER {
            return Err(SigV4Error::TooLong);
        }
        let blank = |character: char| character == ' ' || character == '\t';
        let parts = text.trim_matches(blank).strip_prefix(ALGORITHM);
        let parts = parts.filter(|parts| parts.starts_with(blank));
        let parts = parts.ok_or(SigV4Error::Algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let part = part.trim_matches(blank);
            let (name, value) = part.split_once('=').ok_or(SigV4Error::Part("=value"))?;
            let (slot, name) = match name {
                "Credential" => (&mut credential, "Credential"),
                "SignedHeaders" => (&mut signed_headers, "SignedHeaders"),
                "Signature" => (&mut signature, "Signature"),
                _ => return Err(SigV4Error::Part("known")),
            };
            if slot.replace(value).is_some() {
                return Err(SigV4Error::Part(name));
            }
        }
        let credential = credential.ok_or(SigV4Error::Part("Credential"))?;
        let signed_headers = signed_headers.ok_or(SigV4Error::Part("SignedHeaders"))?;
        let signature = signature.ok_or(SigV4Error::Part("Signature"))?;
        let (at, is_dated_by_date) = header_time(call)?;
        let token = call.headers.single("x-amz-security-token");
        let token = token.map_err(|_| SigV4Error::TokenMisplaced)?;
        Ok(Self {
            form: SignatureForm::Header,
            credential: Credential::read(Cow::Borrowed(credential))
                .ok_or(SigV4Error::Part("Credential"))?,
            signed_headers: signed(Cow::Borrowed(signed_headers))
                .ok_or(SigV4Error::Part("SignedHeaders"))?,
            signature: read_signature(signature)
                .map_err(|WrongLength| SigV4Error::Part("Signature"))?,
            at,
            is_dated_by_date,
            expires_s: 0,
            token: token.map(Cow::Borrowed),
        })
    }

    /// Reads the query form (SIG-11).
    ///
    /// # Errors
    ///
    /// The [`SigV4Error`] for the first parameter that is missing, repeated or malformed.
    pub fn of_query(query: &'c str) -> Result<Self, SigV4Error> {
        const NAMES: [&str; 7] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
        ];
        if query.len() > MAX_QUERY {
            return Err(SigV4Error::Address);
        }
        let mut found: [Option<Cow<'c, str>>; 7] = [const { None }; 7];
        for piece in query.split('&') {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = percent::decode(name).map_err(|_| SigV4Error::Address)?;
            let Some(at) = NAMES.iter().position(|known| known.as_bytes() == &*name) else {
                continue;
            };
            let name = NAMES.get(at).copied().unwrap_or_default();
            let value = text(value).ok_or(SigV4Error::QueryParameter(name))?;
            if let Some(slot) = found.get_mut(at)
                && slot.replace(value).is_some()
            {
                return Err(SigV4Error::QueryParameter(name));
            }
        }
        let [
            algorithm,
            credential,
            date,
            expires,
            headers,
            signature,
            token,
        ] = found;
        let need =
            |value: Option<Cow<'c, str>>, name| value.ok_or(SigV4Error::QueryParameter(name));
        if need(algorithm, "X-Amz-Algorithm")? != ALGORITHM {
            return Err(SigV4Error::QueryParameter("X-Amz-Algorithm"));
        }
        let credential = Credential::read(need(credential, "X-Amz-Credential")?);
        let at = time::basic(&need(date, "X-Amz-Date")?);
        let expires = need(expires, "X-Amz-Expires")?;
        let is_number =
            (1..=6).contains(&expires.len()) && expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires_s = expires.parse().ok().filter(|seconds| {
            is_number && (1..=crate::policy::Signing::DEFAULT_PRESIGN_S).contains(seconds)
        });
        let headers = signed(need(headers, "X-Amz-SignedHeaders")?);
        let signature = read_signature(&need(signature, "X-Amz-Signature")?);
        Ok(Self {
            form: SignatureForm::Query,
            credential: credential.ok_or(SigV4Error::QueryParameter("X-Amz-Credential"))?,
            signed_headers: headers.ok_or(SigV4Error::QueryParameter("X-Amz-SignedHeaders"))?,
            signature: signature
                .map_err(|WrongLength| SigV4Error::QueryParameter("X-Amz-Signature"))?,
            at: at.ok_or(SigV4Error::QueryParameter("X-Amz-Date"))?,
            is_dated_by_date: false,
            expires_s: expires_s.ok_or(SigV4Error::QueryParameter("X-Amz-Expires"))?,
            token,
        })
    }

    /// The id of the access key that is said to have signed.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        self.credential.access_key_id()
    }

    /// The region of the scope.
    #[must_use]
    pub fn region(&self) -> &str {
        self.credential.region()
    }

    /// The service of the scope.
    #[must_use]
    pub fn service(&self) -> &str {
        self.credential.service()
    }

    /// The day of the scope, `YYYYMMDD`.
    #[must_use]
    pub fn date(&self) -> &str {
        self.credential.date()
    }

    /// When the call was signed.
    #[must_use]
    pub const fn signed_at(&self) -> Timestamp {
        self.at
    }

    /// Where the signature stands.
    #[must_use]
    pub const fn form(&self) -> SignatureForm {
        self.form
    }

    /// The token of the session, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The names of the headers under the signature, in lower case.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    /// Whether a header is under the signature.
    #[must_use]
    pub fn signs(&self, header: &str) -> bool {
        self.signed_headers().any(|name| name == header)
    }
}

/// When a call in header form was signed, and whether `date` says so.
fn header_time(call: &HttpCall) -> Result<(Timestamp, bool), SigV4Error> {
    if call.headers.has("x-amz-date") {
        let text = call.headers.single("x-amz-date").ok().flatten();
        let at = text.and_then(time::basic).ok_or(SigV4Error::Date)?;
        return Ok((at, false));
    }
    // A comma stands in the one date, too.
    let text = call.headers.joined("date").ok().flatten();
    let at = text.and_then(time::fixdate).ok_or(SigV4Error::Date)?;
    Ok((at, true))
}

/// SIG-08.
fn signed(names: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let is_name = |name: &str| {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
        };
        !name.is_empty() && name.bytes().all(fits)
    };
    let mut before = "";
    let mut count = 0;
    for name in names.split(';') {
        if !is_name(name) || name <= before {
            return None;
        }
        before = name;
        count += 1;
    }
    (count <= MAX_SIGNED_HEADERS).then_some(names)
}

/// A signature of another length than one has.
struct WrongLength;

/// SIG-09: `None` for what is no signature that anybody could have made.
fn read_signature(text: &str) -> Result<Option<[u8; 32]>, WrongLength> {
    if text.len() != SIGNATURE_DIGITS {
        return Err(WrongLength);
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Ok(None) };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Ok(None);
        };
        *byte = high << 4 | low;
    }
    Ok(Some(bytes))
}

/// A value of the query, decoded once.
fn text(value: &str) -> Option<Cow<'_, str>> {
    match percent::decode(value).ok()? {
        Cow::Borrowed(_) => Some(Cow::Borrowed(value)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

impl std::fmt::Debug for SignedCall<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SignedCall")
            .field("form", &self.form)
            .field("access_key_id", &self.access_key_id())
            .field("scope", &self.credential.scope())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
