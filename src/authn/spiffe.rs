//! SPIFFE ids.

/// The scheme of a SPIFFE id.
pub(super) const SCHEME: &str = "spiffe://";
/// The most bytes of a SPIFFE id.
const MAX_BYTES: usize = 2048;
/// The most bytes of a trust domain.
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// A SPIFFE id taken apart: `spiffe://acme.test/ns/shop/sa/cart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpiffeId<'a> {
    /// Who vouches for it; compared exactly (MTL-02).
    pub(super) trust_domain: &'a str,
    /// The segments of the path; none for the trust domain's own id.
    pub(super) segments: Vec<&'a str>,
}

/// Why the identity of a peer is refused (MTL-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Longer than a SPIFFE id may be.
    #[error("a SPIFFE id of {length} bytes is over the limit of {MAX_BYTES}")]
    TooLong {
        /// Bytes in the text.
        length: usize,
    },
    /// Not `spiffe://` in lower case.
    #[error("a SPIFFE id begins with `spiffe://` in lower case")]
    Scheme,
    /// A trust domain with a port, a user, an upper-case letter or an escape, or none.
    #[error("the trust domain has other characters than `a-z`, `0-9`, `.`, `-` and `_`")]
    TrustDomain,
    /// A path with an empty or dot segment, a query, a fragment or an escape.
    #[error(
        "a path segment is empty, `.`, `..` or has other characters than letters, digits, `.`, `-` and `_`"
    )]
    Path,
}

impl PeerError {
    /// The word for metrics: one of a closed set that never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Scheme => "scheme",
            Self::TrustDomain => "trust_domain",
            Self::Path => "path",
        }
    }

    /// The rule that refuses the peer.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::Scheme | Self::Path => "MTL-01",
            Self::TrustDomain => "MTL-02",
        }
    }
}

/// Whether `text` means to be a SPIFFE id, well-formed or not.
pub(super) fn is_meant(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("spiffe"))
}

impl<'a> SpiffeId<'a> {
    /// Reads a SPIFFE id.
    ///
    /// # Errors
    ///
    /// Any [`PeerError`], one for each part that is not as the standard has it.
    ///
    /// # Source
    ///
    /// SPIFFE-ID, section 2: <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>
    pub(super) fn parse(text: &'a str) -> Result<Self, PeerError> {
        let (trust_domain, segments) = split(text)?;
        if segments.iter().all(|segment| is_segment(segment)) {
            Ok(Self {
                trust_domain,
                segments,
            })
        } else {
            Err(PeerError::Path)
        }
    }
}

/// Takes an id or the template of ids apart; the segments are still to be looked at.
pub(super) fn split(text: &str) -> Result<(&str, Vec<&str>), PeerError> {
    if text.len() > MAX_BYTES {
        return Err(PeerError::TooLong { length: text.len() });
    }
    let rest = text.strip_prefix(SCHEME).ok_or(PeerError::Scheme)?;
    let (trust_domain, segments) = match rest.split_once('/') {
        None => (rest, Vec::new()),
        Some((trust_domain, path)) => (trust_domain, path.split('/').collect()),
    };
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    let fits = (1..=MAX_TRUST_DOMAIN_BYTES).contains(&trust_domain.len())
        && trust_domain.bytes().all(allowed);
    if fits {
        Ok((trust_domain, segments))
    } else {
        Err(PeerError::TrustDomain)
    }
}

/// Whether `text` may be a segment of the path.
pub(super) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_strictly() {
        let longest = format!("spiffe://a/{}", "x".repeat(2037));
        let too_long = format!("{longest}x");
        let trust_domain = format!("spiffe://{}/x", "a".repeat(256));
        // (text, fault)
        let cases = [
            ("spiffe://acme.test/ns/shop/sa/cart", None),
            ("spiffe://acme.test/Shop_1.v2", None),
            ("spiffe://acme.test", None),
            (longest.as_str(), None),
            (too_long.as_str(), Some(PeerError::TooLong { length: 2049 })),
            (trust_domain.as_str(), Some(PeerError::TrustDomain)),
            ("SPIFFE://acme.test/x", Some(PeerError::Scheme)),
            ("spiffe:/acme.test/x", Some(PeerError::Scheme)),
            ("spiffe:acme.test/x", Some(PeerError::Scheme)),
            ("spiffe:///x", Some(PeerError::TrustDomain)),
            ("spiffe://", Some(PeerError::TrustDomain)),
            ("spiffe://Acme.test/x", Some(PeerError::TrustDomain)),
            ("spiffe://ana@acme.test/x", Some(PeerError::TrustDomain)),
            ("spiffe://acme.test:443/x", Some(PeerError::TrustDomain)),
            ("spiffe://acme%2etest/x", Some(PeerError::TrustDomain)),
            ("spiffe://acmé.test/x", Some(PeerError::TrustDomain)),
            ("spiffe://acme.test?x", Some(PeerError::TrustDomain)),
            (
                "spiffe://acme.test,evil.test/x",
                Some(PeerError::TrustDomain),
            ),
            ("spiffe://acme.test/", Some(PeerError::Path)),
            ("spiffe://acme.test/x/", Some(PeerError::Path)),
            ("spiffe://acme.test//x", Some(PeerError::Path)),
            ("spiffe://acme.test/x/./y", Some(PeerError::Path)),
            ("spiffe://acme.test/x/../y", Some(PeerError::Path)),
            ("spiffe://acme.test/x%2fy", Some(PeerError::Path)),
            ("spiffe://acme.test/x?y", Some(PeerError::Path)),
            ("spiffe://acme.test/x#y", Some(PeerError::Path)),
            ("spiffe://acme.test/x y", Some(PeerError::Path)),
            ("spiffe://acme.test/x\\y", Some(PeerError::Path)),
            ("spiffe://acme.test/*", Some(PeerError::Path)),
            ("spiffe://acme.test/é", Some(PeerError::Path)),
        ];
        for (text, fault) in cases {
            assert_eq!(SpiffeId::parse(text).err(), fault, "MTL-01: `{text}`");
            assert!(is_meant(text), "MTL-01: `{text}`");
        }
    }
}
