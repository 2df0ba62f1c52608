//! Ranges of IP addresses (OP-14 to OP-16).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of IPv4 or IPv6 addresses in CIDR form. Families never mix (OP-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpRange {
    /// Network and mask.
    V4(u32, u32),
    /// Network and mask.
    V6(u128, u128),
}

/// A range as read, with what is doubtful about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// The range, host bits masked off.
    pub range: IpRange,
    /// Whether host bits were set in the text (OP-15).
    pub had_host_bits: bool,
}

/// Reads the address of a request: IPv4-mapped IPv6 becomes IPv4 (OP-16); `None` when it is none.
#[must_use]
pub fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

impl IpRange {
    /// Reads an address with an optional prefix length; without one it is that single address
    /// (OP-14). `None` when it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<ReadRange> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(parse_length(length)?)),
            None => (text, None),
        };
        match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => Self::v4(address, length.unwrap_or(32)),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                // A mapped range wider than the mapped block would hold more than IPv4.
                Some(mapped) => Self::v4(mapped, length.unwrap_or(128).checked_sub(96)?),
                None => Self::v6(address, length.unwrap_or(128)),
            },
        }
    }

    fn v4(address: Ipv4Addr, length: u32) -> Option<ReadRange> {
        let mask = match length {
            0 => 0,
            1..=32 => u32::MAX << (32 - length),
            _ => return None,
        };
        let bits = address.to_bits();
        let had_host_bits = bits & !mask != 0;
        Some(ReadRange {
            range: Self::V4(bits & mask, mask),
            had_host_bits,
        })
    }

    fn v6(address: Ipv6Addr, length: u32) -> Option<ReadRange> {
        let mask = match length {
            0 => 0,
            1..=128 => u128::MAX << (128 - length),
            _ => return None,
        };
        let bits = address.to_bits();
        let had_host_bits = bits & !mask != 0;
        Some(ReadRange {
            range: Self::V6(bits & mask, mask),
            had_host_bits,
        })
    }

    /// Whether `address` lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(network, mask), IpAddr::V4(address)) => address.to_bits() & mask == *network,
            (Self::V6(network, mask), IpAddr::V6(address)) => address.to_bits() & mask == *network,
            (Self::V4(..), IpAddr::V6(_)) | (Self::V6(..), IpAddr::V4(_)) => false,
        }
    }
}

fn parse_length(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if plain && !padded {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_own_family() {
        // (range, address, inside)
        let cases = [
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.0/24", "192.0.3.7", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "192.0.2.7", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::/32", "2001:db8:ffff::2", true),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("::ffff:192.0.2.0/120", "192.0.2.7", true),
        ];
        for (range, address, inside) in cases {
            let range = IpRange::parse(range).unwrap().range;
            let address = parse_address(address).unwrap();
            assert_eq!(
                range.contains(address),
                inside,
                "OP-14, OP-16: {range:?} {address}"
            );
        }
    }

    #[test]
    fn what_is_not_exactly_a_range_is_refused() {
        let cases = [
            "010.0.0.1",
            "0x7f.0.0.1",
            "10.1",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/-1",
            "1.2.3.4/08",
            "::1/129",
            "fe80::1%eth0",
            "::ffff:1.2.3.4/95",
            "1.2.3.4/24/1",
            " 1.2.3.4",
            "",
        ];
        for text in cases {
            assert!(IpRange::parse(text).is_none(), "OP-14: `{text}`");
        }
        assert!(IpRange::parse("10.0.0.1/8").unwrap().had_host_bits, "OP-15");
    }
}
