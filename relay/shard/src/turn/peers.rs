//! Which addresses clients may send to: by default none that only this machine or its site reaches.

use super::TurnConfig;
use relay_wire::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a client may relay to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Allowed,
    /// It may not: 403 (RFC 8656, section 7.2 and 21.1.4).
    Forbidden,
}

/// IANA's special-purpose IPv4 addresses (RFC 6890), multicast and broadcast. The few that are
/// reachable globally are refused too: they are services of a site or of the DNS, never peers.
const SPECIAL_V4: [(Ipv4Addr, u32); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),          // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),         // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),      // shared, carriers' NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),        // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),     // link-local, clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),      // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),       // IETF protocols: DS-Lite, PCP, TURN, NAT64 discovery
    (Ipv4Addr::new(192, 0, 2, 0), 24),       // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),    // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),    // automatic multicast tunnels
    (Ipv4Addr::new(192, 88, 99, 0), 24),     // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),     // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),    // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),      // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),    // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),     // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),        // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),        // reserved
    (Ipv4Addr::new(255, 255, 255, 255), 32), // broadcast
];

/// The only IPv6 addresses that are given out (RFC 4291, section 2.4). All others are unspecified,
/// loopback, IPv4 in disguise, discard-only, segments' identifiers, unique or link-local,
/// site-local, multicast, or nobody's.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// IANA's special-purpose IPv6 addresses (RFC 6890) among the global ones.
const SPECIAL_V6: [(Ipv6Addr, u32); 5] = [
    // IETF protocols: Teredo, PCP, TURN, benchmarks, AMT, AS112, ORCHID, drones.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation
];

/// NAT64's local prefix (RFC 8215); where in it the IPv4 address stands is the site's choice.
const NAT64_LOCAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);

/// Judges peers' addresses.
pub(crate) struct PeerPolicy {
    allow: Box<[Network]>,
    deny: Box<[Network]>,
    own: Box<[IpAddr]>,
}

impl PeerPolicy {
    /// The policy of these settings.
    pub(crate) fn new(config: &TurnConfig) -> Self {
        Self {
            allow: config.allow_peers.clone().into(),
            deny: config.deny_peers.clone().into(),
            own: config.own.iter().map(IpAddr::to_canonical).collect(),
        }
    }

    /// Whether a client may send to an address. What is denied is refused, then what is allowed is
    /// allowed, then our own and special-purpose addresses are refused. An IPv6 address that stands
    /// for an IPv4 address must pass as both.
    pub(crate) fn judge(&self, peer: IpAddr) -> Verdict {
        let allowed = match peer {
            IpAddr::V4(peer) => self.allows_v4(peer),
            IpAddr::V6(peer) => self.allows_v6(peer),
        };

        if allowed { Verdict::Allowed } else { Verdict::Forbidden }
    }

    fn allows_v4(&self, peer: Ipv4Addr) -> bool {
        let address = IpAddr::V4(peer);
        if holds(&self.deny, address) {
            return false;
        }

        holds(&self.allow, address) || !(self.own.contains(&address) || is_special_v4(peer))
    }

    fn allows_v6(&self, peer: Ipv6Addr) -> bool {
        // A kernel would take it for the IPv4 address, whatever was judged here.
        if peer.to_ipv4_mapped().is_some() {
            return false;
        }
        let address = IpAddr::V6(peer);
        if holds(&self.deny, address) {
            return false;
        }
        let special = self.own.contains(&address) || is_special_v6(peer);
        if special && !holds(&self.allow, address) {
            return false;
        }

        embedded(peer).into_iter().flatten().all(|inner| self.allows_v4(inner))
            && suspected(peer).into_iter().flatten().all(|inner| !self.shuns(inner))
    }

    /// Whether an IPv4 address is denied, or our own and not allowed.
    fn shuns(&self, peer: Ipv4Addr) -> bool {
        let address = IpAddr::V4(peer);

        holds(&self.deny, address) || self.own.contains(&address) && !holds(&self.allow, address)
    }
}

fn holds(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    SPECIAL_V4.iter().any(|(network, prefix)| {
        (network.to_bits() ^ address.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
    })
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    !is_in(address, GLOBAL_V6) || SPECIAL_V6.iter().any(|network| is_in(address, *network))
}

fn is_in(address: Ipv6Addr, (network, prefix): (Ipv6Addr, u32)) -> bool {
    (network.to_bits() ^ address.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
}

/// The IPv4 addresses that an IPv6 address certainly stands for.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let last = inner(address, 96);
    match address.segments() {
        // Compatible (RFC 4291, section 2.5.5.1); :: and ::1 are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => [Some(last), None],
        // Translated (RFC 2765, section 2.1).
        [0, 0, 0, 0, 0xffff, 0, _, _] => [Some(last), None],
        // NAT64's well-known prefix (RFC 6052, section 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [Some(last), None],
        // Teredo: the server, and the client with its bits flipped (RFC 4380, section 4).
        [0x2001, 0, ..] => [Some(inner(address, 32)), Some(Ipv4Addr::from(!last.to_bits()))],
        // 6to4 (RFC 3056, section 2).
        [0x2002, ..] => [Some(inner(address, 16)), None],
        _ => [None, None],
    }
}

/// The IPv4 addresses that an IPv6 address may stand for: NAT64 has one of four places (RFC 6052,
/// section 2.2; bits 64 to 71 are zero), ISATAP the last (RFC 5214, section 6.1).
fn suspected(address: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let isatap = matches!(address.segments(), [_, _, _, _, 0 | 0x0200, 0x5efe, _, _]);
    if isatap {
        return [Some(inner(address, 96)), None, None, None];
    }
    if !is_in(address, NAT64_LOCAL) {
        return [None; 4];
    }

    [
        Some(split_at(address, 48)),
        Some(split_at(address, 56)),
        Some(inner(address, 72)),
        Some(inner(address, 96)),
    ]
}

/// The 32 bits that begin at a bit.
fn inner(address: Ipv6Addr, at: u32) -> Ipv4Addr {
    Ipv4Addr::from((address.to_bits() >> (96 - at)) as u32)
}

/// The 32 bits that begin at a bit before the 64th, and leave out bits 64 to 71.
fn split_at(address: Ipv6Addr, at: u32) -> Ipv4Addr {
    let bits = address.to_bits();
    let before = 64 - at;
    let high = (bits >> 64) as u32 & ((1 << before) - 1);
    let low = (bits << 72 >> (128 - 32 + before)) as u32;

    Ipv4Addr::from(high << (32 - before) | low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(allow: &[&str], deny: &[&str], own: &[&str]) -> PeerPolicy {
        let networks = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();

        PeerPolicy::new(&TurnConfig {
            allow_peers: networks(allow),
            deny_peers: networks(deny),
            own: own.iter().map(|text| text.parse().unwrap()).collect(),
            ..TurnConfig::default()
        })
    }

    fn allows(policy: &PeerPolicy, peer: &str) -> bool {
        policy.judge(peer.parse().unwrap()) == Verdict::Allowed
    }

    #[test]
    fn ordinary_addresses_are_allowed() {
        let policy = policy(&[], &[], &[]);
        let ordinary = [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.31.195.255",
            "192.31.197.0",
            "192.52.192.255",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "192.175.47.255",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::1",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2620:4f:7fff::",
            "2620:4f:8001::",
            "3fff:1000::",
            "2a00:1450::1",
        ];

        for peer in ordinary {
            assert!(allows(&policy, peer), "{peer}");
        }
    }

    #[test]
    fn special_purpose_addresses_are_refused_from_the_first_to_the_last() {
        let policy = policy(&[], &[], &[]);
        let special = [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.31.196.0", "192.31.196.255"),
            ("192.52.193.0", "192.52.193.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("192.175.48.0", "192.175.48.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "::1"),
            ("::2", "::ffff:ffff"),
            ("::ffff:0:0", "::ffff:ffff:ffff"),
            ("::ffff:0:0:0", "::ffff:0:ffff:ffff"),
            ("64:ff9b::", "64:ff9b::ffff:ffff"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:1::1", "2001:1::3"),
            ("2001:10::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("4000::", "5fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];

        for (first, last) in special {
            assert!(!allows(&policy, first), "{first}");
            assert!(!allows(&policy, last), "{last}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_unless_it_is_denied() {
        let policy = policy(
            &["10.0.0.0/8", "127.0.0.1", "fd00::/8"],
            &["10.1.0.0/16", "8.8.8.0/24", "fd00:1::/32"],
            &["10.2.0.1", "198.50.0.1", "fd00::2", "2a00::1"],
        );

        for peer in ["10.0.0.1", "127.0.0.1", "fd00::1", "10.2.0.1", "fd00::2", "8.8.4.4"] {
            assert!(allows(&policy, peer), "{peer}");
        }
        for peer in
            ["10.1.0.1", "8.8.8.8", "fd00:1::1", "127.0.0.2", "198.50.0.1", "2a00::1", "fc00::1"]
        {
            assert!(!allows(&policy, peer), "{peer}");
        }
    }

    #[test]
    fn a_mapped_address_is_never_allowed() {
        let policy = policy(&["0.0.0.0/0", "::/0"], &[], &[]);

        assert!(allows(&policy, "10.0.0.1"));
        assert!(!allows(&policy, "::ffff:10.0.0.1"));
        assert!(!allows(&policy, "::ffff:8.8.8.8"));
    }

    #[test]
    fn an_address_in_disguise_must_pass_as_both() {
        let policy = policy(&["::/0"], &["8.8.8.0/24"], &["9.9.9.9", "2a00::1"]);
        let disguises = |address: &str| {
            let bits = u128::from(address.parse::<Ipv4Addr>().unwrap().to_bits());
            let well_known = 0x0064_ff9b_u128 << 96;
            let teredo = 0x2001_u128 << 112;
            [
                bits,
                0xffff << 48 | bits,
                well_known | bits,
                teredo | bits << 64 | u128::from(!0x0101_0101_u32),
                teredo | 0x0101_0101 << 64 | (bits ^ 0xffff_ffff),
                0x2002_u128 << 112 | bits << 80,
            ]
            .map(|bits| IpAddr::V6(Ipv6Addr::from(bits)))
        };

        for address in ["1.1.1.1", "8.8.4.4"] {
            for peer in disguises(address) {
                assert_eq!(policy.judge(peer), Verdict::Allowed, "{peer}");
            }
        }
        for address in ["8.8.8.8", "9.9.9.9", "10.0.0.1", "127.0.0.1", "169.254.169.254"] {
            for peer in disguises(address) {
                assert_eq!(policy.judge(peer), Verdict::Forbidden, "{peer}");
            }
        }
    }

    #[test]
    fn nat64_of_a_site_and_isatap_do_not_reach_what_is_denied_or_ours() {
        let policy = policy(&["64:ff9b:1::/48"], &["8.8.8.0/24"], &["9.9.9.9"]);
        let forbidden = [
            "64:ff9b:1:808:8:800::",
            "64:ff9b:1:8:8:808::",
            "64:ff9b:1:0:8:808:800:0",
            "64:ff9b:1::808:808",
            "64:ff9b:1::909:909",
            "2a00:1::5efe:808:808",
            "2a00:1::200:5efe:909:909",
        ];
        let allowed = ["64:ff9b:1:101:1:100::", "64:ff9b:1::101:101", "2a00:1::5efe:101:101"];

        for peer in forbidden {
            assert!(!allows(&policy, peer), "{peer}");
        }
        for peer in allowed {
            assert!(allows(&policy, peer), "{peer}");
        }
    }

    proptest! {
        #[test]
        fn without_exceptions_only_global_unicast_passes(bits: u128, high in 0u128..1 << 16) {
            let policy = policy(&[], &[], &[]);
            let peer = Ipv6Addr::from(high << 112 | bits >> 16);
            if policy.judge(IpAddr::V6(peer)) == Verdict::Allowed {
                prop_assert_eq!(peer.segments()[0] >> 13, 1);
                prop_assert!(!peer.is_loopback() && !peer.is_multicast());
                prop_assert!(!peer.is_unique_local() && !peer.is_unicast_link_local());
            }
        }

        #[test]
        fn no_ipv4_that_the_standard_library_knows_as_special_passes(bits: u32) {
            let policy = policy(&[], &[], &[]);
            let peer = Ipv4Addr::from(bits);
            let special = peer.is_private() || peer.is_loopback() || peer.is_link_local()
                || peer.is_multicast() || peer.is_broadcast() || peer.is_documentation()
                || peer.is_unspecified();
            prop_assert!(!special || policy.judge(IpAddr::V4(peer)) == Verdict::Forbidden);
        }

        #[test]
        fn nothing_denied_passes_in_any_form(host in 0u32..256, allow_all: bool) {
            let all: &[&str] = if allow_all { &["0.0.0.0/0", "::/0"] } else { &[] };
            let policy = policy(all, &["8.8.8.0/24"], &[]);
            let bits = u128::from(0x0808_0800 | host);
            let forms = [
                bits, 0xffff << 32 | bits, 0x0064_ff9b << 96 | bits, 0x2002 << 112 | bits << 80,
                0x2001 << 112 | bits << 64, 0x0064_ff9b_0001 << 80 | bits,
            ];
            let plain = IpAddr::V4(Ipv4Addr::from(bits as u32));
            prop_assert_eq!(policy.judge(plain), Verdict::Forbidden);
            for form in forms {
                prop_assert_eq!(policy.judge(IpAddr::V6(form.into())), Verdict::Forbidden);
            }
        }
    }
}
