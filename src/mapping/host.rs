//! The host of a call in its canonical form.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// A host: lower case, without port and without a dot at the end (§2 of the Envoy contract).
///
/// Names and IPv4 addresses are text; an IPv6 literal stands in brackets in its shortest form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host<'a>(Cow<'a, str>);

/// Why an authority names no one host. Such a call is refused, never taken for one without host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostFault {
    /// There is no host.
    #[error("the host is empty")]
    Empty,
    /// The host has more bytes than a name may have.
    #[error("the host is too long")]
    TooLong,
    /// Several values, which the PEP joined with a comma.
    #[error("there is more than one host")]
    Several,
    /// `user@host`.
    #[error("the host carries user information")]
    UserInfo,
    /// A character that no host name holds.
    #[error("the host holds a character that no host name has")]
    Character,
    /// An empty label, as in `a..b`.
    #[error("the host holds an empty label")]
    EmptyLabel,
    /// What stands behind the colon is no port.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A name that the servers behind it have for themselves.
    #[error("the host is a name that stores have for themselves")]
    Reserved,
    /// What stands in brackets is no IPv6 address.
    #[error("what stands in brackets is not an IPv6 address")]
    Ipv6,
}

impl HostFault {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Several => "several",
            Self::UserInfo => "user_info",
            Self::Character => "character",
            Self::EmptyLabel => "empty_label",
            Self::Port => "port",
            Self::Reserved => "reserved",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl<'a> Host<'a> {
    /// The most bytes of an authority: a name of 255, a colon and a port.
    pub const MAX_BYTES: usize = 261;

    /// Reads an authority, `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// The [`HostFault`] unless `authority` is one host name, IPv4 address or bracketed IPv6
    /// address, with a port of one to five digits or none.
    pub fn read(authority: &'a str) -> Result<Self, HostFault> {
        if authority.len() > Self::MAX_BYTES {
            return Err(HostFault::TooLong);
        }
        if authority.contains(',') {
            return Err(HostFault::Several);
        }
        if authority.contains('@') {
            return Err(HostFault::UserInfo);
        }
        if let Some(literal) = authority.strip_prefix('[') {
            return ipv6(literal);
        }
        let name = match authority.split_once(':') {
            Some((name, port)) => {
                check_port(port)?;
                name
            }
            None => authority,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self(Cow::Owned(name.to_ascii_lowercase())));
        }
        Ok(Self(Cow::Borrowed(name)))
    }

    /// The host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads `::1]` or `::1]:443`, what stands behind the opening bracket.
fn ipv6<'a>(literal: &str) -> Result<Host<'a>, HostFault> {
    let (address, behind) = literal.split_once(']').ok_or(HostFault::Ipv6)?;
    if !behind.is_empty() {
        check_port(behind.strip_prefix(':').ok_or(HostFault::Port)?)?;
    }
    let address: Ipv6Addr = address.parse().map_err(|_| HostFault::Ipv6)?;
    Ok(Host(Cow::Owned(format!("[{address}]"))))
}

fn check_port(port: &str) -> Result<(), HostFault> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if digits && port.len() <= 5 && port.parse::<u16>().is_ok_and(|number| number != 0) {
        Ok(())
    } else {
        Err(HostFault::Port)
    }
}

fn check_name(name: &str) -> Result<(), HostFault> {
    if name.is_empty() {
        return Err(HostFault::Empty);
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !name.bytes().all(fits) {
        return Err(HostFault::Character);
    }
    if name.split('.').any(str::is_empty) {
        return Err(HostFault::EmptyLabel);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_canonical_form() {
        let cases = [
            ("h.test", "h.test"),
            ("H.Test:8080", "h.test"),
            ("h.test.", "h.test"),
            ("h.test.:443", "h.test"),
            ("orders_1-a", "orders_1-a"),
            ("127.0.0.1:15101", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:8080", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
        ];
        for (authority, expected) in cases {
            assert_eq!(
                Host::read(authority).map(|host| host.to_string()),
                Ok(expected.to_owned()),
                "contract §2: {authority}"
            );
        }
    }

    #[test]
    fn an_odd_host_is_refused_and_never_absent() {
        use HostFault as F;
        let long = "a".repeat(Host::MAX_BYTES + 1);
        let cases = [
            ("", F::Empty),
            (".", F::Empty),
            (":80", F::Empty),
            ("user@h.test", F::UserInfo),
            ("@", F::UserInfo),
            ("h.test:", F::Port),
            ("h.test:0", F::Port),
            ("h.test:65536", F::Port),
            ("h.test:+80", F::Port),
            ("h.test:80:80", F::Port),
            ("h.test:80 ", F::Port),
            ("h.test:000080", F::Port),
            ("a,b", F::Several),
            ("h.test,h.test", F::Several),
            ("h.test..", F::EmptyLabel),
            ("h..test", F::EmptyLabel),
            (".h.test", F::EmptyLabel),
            ("h.test ", F::Character),
            (" h.test", F::Character),
            ("h test", F::Character),
            ("h.test\t", F::Character),
            ("h.test\0", F::Character),
            ("h%2etest", F::Character),
            ("h.test/", F::Character),
            ("h.test#", F::Character),
            ("*.test", F::Character),
            ("hé.test", F::Character),
            ("h.test!", F::Character),
            ("::1", F::Port),
            ("[::1", F::Ipv6),
            ("[]", F::Ipv6),
            ("[h.test]", F::Ipv6),
            ("[fe80::1%25eth0]", F::Ipv6),
            ("[::1]x", F::Port),
            ("[::1]:", F::Port),
            (long.as_str(), F::TooLong),
        ];
        for (authority, expected) in cases {
            assert_eq!(Host::read(authority), Err(expected), "rule 2: {authority}");
        }
    }
}
