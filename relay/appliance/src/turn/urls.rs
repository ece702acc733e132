//! The URLs (RFC 7065) by which rooms' clients reach our TURN service.

use relay_server::Advertise;
use std::net::{IpAddr, SocketAddr};

/// The URLs of the first candidate of each address family, over TCP and TLS, best first.
///
/// None is over UDP: who reaches this port by UDP reaches the room itself there. And browsers on
/// libwebrtc have one socket for their own candidate and for TURN: what comes from the address of a
/// TURN server they take for TURN's, so that a room at the same address is never reached directly.
///
/// `tls` are the addresses that are listened on for TLS; `hostname` is the name for them.
/// In development the machine's own browser comes by loopback, and others by the first IPv4
/// address: one URL more would make browsers complain about their number.
pub(super) fn urls(
    candidates: &[SocketAddr],
    advertise: &[Advertise],
    (tls, hostname): (&[SocketAddr], Option<&str>),
    development: bool,
) -> Vec<String> {
    let first = |fits: &dyn Fn(&IpAddr) -> bool| {
        candidates.iter().copied().find(|candidate| fits(&candidate.ip()))
    };
    let loopback = first(&IpAddr::is_loopback);
    let v4 = first(&|ip| ip.is_ipv4() && !ip.is_loopback());
    let v6 = first(&|ip| ip.is_ipv6() && !ip.is_loopback());
    let servers = match (development, v4.or(v6)) {
        (true, _) => [loopback, v4.or(v6)],
        (false, Some(_)) => [v4, v6],
        (false, None) => [loopback, None],
    };
    let servers: Vec<SocketAddr> = servers.into_iter().flatten().collect();
    let mut urls: Vec<String> =
        servers.iter().map(|server| format!("turn:{server}?transport=tcp")).collect();
    let public = |listen: &SocketAddr| {
        let behind = advertise.iter().find(|advertise| advertise.local == listen.ip());
        behind.map_or(listen.ip(), |advertise| advertise.public)
    };
    // One that leads where the others lead, else any.
    let leads = |listen: &&SocketAddr| servers.iter().any(|s| s.ip() == public(listen));
    if let Some(listen) = tls.iter().find(leads).or(tls.first()) {
        let host = hostname.map_or_else(|| bracketed(public(listen)), str::to_owned);
        urls.push(format!("turns:{host}:{}?transport=tcp", listen.port()));
    }

    urls
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const NO_TLS: (&[SocketAddr], Option<&str>) = (&[], None);

    #[test]
    fn the_first_address_of_each_family_is_offered_over_tcp() {
        let all = candidates(&["198.51.100.7:3478", "198.51.100.8:3478", "[2001:db8::1]:3478"]);
        assert_eq!(
            urls(&all, &[], NO_TLS, false),
            ["turn:198.51.100.7:3478?transport=tcp", "turn:[2001:db8::1]:3478?transport=tcp"]
        );
    }

    #[test]
    fn in_development_this_machine_and_its_network_are_served() {
        let all = candidates(&["127.0.0.1:3478", "192.0.2.1:3478", "[2001:db8::1]:3478"]);
        let wanted = ["turn:127.0.0.1:3478?transport=tcp", "turn:192.0.2.1:3478?transport=tcp"];
        assert_eq!(urls(&all, &[], NO_TLS, true), wanted);
        let lonely = candidates(&["127.0.0.1:3478"]);
        assert_eq!(urls(&lonely, &[], NO_TLS, false), wanted[..1]);
    }

    #[test]
    fn tls_is_offered_by_name_else_by_the_address_that_leads_there() {
        let all = candidates(&["198.51.100.7:3478", "[2001:db8::1]:3478"]);
        let nat = ["198.51.100.7/192.0.2.1".parse().unwrap()];
        let last = |tls: &[&str], name| urls(&all, &nat, (&candidates(tls), name), false).pop();
        let named = last(&["192.0.2.1:5349"], Some("turn.example.org"));
        assert_eq!(named.as_deref(), Some("turns:turn.example.org:5349?transport=tcp"));
        let v6 = last(&["[::1]:443", "[2001:db8::1]:443"], None);
        assert_eq!(v6.as_deref(), Some("turns:[2001:db8::1]:443?transport=tcp"));
        let behind = last(&["127.0.0.1:5349", "192.0.2.1:5349"], None);
        assert_eq!(behind.as_deref(), Some("turns:198.51.100.7:5349?transport=tcp"));
        assert!(last(&[], Some("turn.example.org")).unwrap().starts_with("turn:"));
    }
}
