//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether an address is one of the public network (OID-02): a name in a bundle must not lead into
/// the network of whoever runs this, unless the bundle says so.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !(is_special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Global unicast alone, without documentation and the prefixes that hold an IPv4 address.
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && b == 0x0db8)
        && !(a == 0x2001 && b == 0)
        && a != 0x2002
        && a != 0x3fff
}

/// The addresses of a host that may be called.
pub(super) async fn look_up(host: &str, allow_private: bool) -> std::io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    let may_be = |address: &SocketAddr| allow_private || is_public(address.ip());
    let addresses: Vec<SocketAddr> = found.filter(may_be).collect();
    if addresses.is_empty() {
        let message = "the host has no public address (`privateAddresses: true` allows others)";
        return Err(std::io::Error::other(message));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_told() {
        let public = [
            "8.8.8.8",
            "192.0.1.1",
            "100.128.0.1",
            "2a00:1450::1",
            "2001:4860::1",
        ];
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ];
        for (addresses, expected) in [(&public[..], true), (&private[..], false)] {
            for text in addresses {
                assert_eq!(is_public(text.parse().unwrap()), expected, "OID-02: {text}");
            }
        }
    }
}
