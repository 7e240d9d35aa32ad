//! Which addresses webhooks may go to: public ones, and those in networks that the operator allows. Pure.
//!
//! An endpoint's owner chooses its name and what that resolves to, so an address is judged where the connection is made
//! ([`super::client`]), never before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 that is nobody's on the public internet (RFC 6890 and its registry).
const CLOSED_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    // Carrier-grade NAT.
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    // Link-local; cloud metadata.
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    // 6to4 relays.
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    // Benchmarks.
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    // Multicast.
    v4(224, 0, 0, 4),
    // Reserved, and broadcast.
    v4(240, 0, 0, 4),
];

/// The only IPv6 that is given to anybody on the public internet. Outside of it lie loopback, link-local, private and
/// multicast addresses, NAT64 (64:ff9b::), what embeds IPv4, the discard prefix (100::) and segment routing (5f00::).
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What of it is closed: protocol assignments with Teredo (2001::), benchmarks and ORCHID; documentation; 6to4.
const CLOSED_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0x0db8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether a connection may be made to this address.
pub fn admits(address: IpAddr, allowed: &[IpNet]) -> bool {
    // ::ffff:a.b.c.d is a.b.c.d to the kernel, so it is to us.
    let address = address.to_canonical();
    let public = match address {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !CLOSED_V6.iter().any(|net| net.contains(&address)),
    };
    public || allowed.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admitted(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        admits(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn only_public_addresses_are_admitted() {
        for open in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(admitted(open, &[]), "{open}");
        }
        for shut in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:127.0.0.1",
            // IPv4-compatible, translated.
            "::127.0.0.1",
            "::1.1.1.1",
            "::ffff:0:10.0.0.1",
            // NAT64, well-known and local.
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::101:101",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!admitted(shut, &[]), "{shut}");
        }
    }

    #[test]
    fn an_allowed_network_is_open_and_no_other() {
        assert!(admitted("10.1.2.3", &["10.0.0.0/8"]) && admitted("::ffff:10.1.2.3", &["10.0.0.0/8"]));
        assert!(admitted("::1", &["::1/128"]) && admitted("fd00::7", &["fd00::/8"]));
        assert!(!admitted("192.168.0.1", &["10.0.0.0/8"]) && !admitted("::2", &["::1/128"]));
        assert!(!admitted("127.0.0.1", &["127.0.0.2/32"]));
    }

    proptest! {
        #[test]
        fn what_embeds_a_closed_ipv4_is_closed(bits in any::<u32>()) {
            let inner = Ipv4Addr::from(bits);
            let open = admits(IpAddr::V4(inner), &[]);
            prop_assert_eq!(admits(IpAddr::V6(inner.to_ipv6_mapped()), &[]), open);
            let [a, b, c, d] = inner.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for around in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            ] {
                prop_assert!(!admits(IpAddr::V6(around), &[]), "{}", around);
            }
        }

        #[test]
        fn standard_names_for_private_agree(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            if address.is_private() || address.is_loopback() || address.is_link_local() || address.is_broadcast()
                || address.is_multicast() || address.is_documentation() || address.is_unspecified() {
                prop_assert!(!admits(IpAddr::V4(address), &[]), "{}", address);
            }
        }
    }
}
