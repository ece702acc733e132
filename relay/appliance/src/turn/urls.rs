//! The URLs (RFC 7065) by which clients reach our TURN service.

use relay_server::{Advertise, TurnSettings};
use std::net::{IpAddr, SocketAddr};

/// The URLs of the first candidate of each address family, over UDP, TCP and TLS, best first.
///
/// In development the machine's own browser comes by loopback, and others by the first IPv4
/// address: one URL more would make browsers complain about their number.
pub(super) fn urls(
    candidates: &[SocketAddr],
    advertise: &[Advertise],
    turn: &TurnSettings,
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
    let mut urls = Vec::new();
    for transport in ["udp", "tcp"] {
        urls.extend(servers.iter().map(|server| format!("turn:{server}?transport={transport}")));
    }
    if let Some(listen) = turn.tls_listen.first() {
        let address = tls_host(listen.ip(), &servers, advertise);
        let host = turn.hostname.clone().or(address.map(bracketed));
        let port = listen.port();
        urls.extend(host.map(|host| format!("turns:{host}:{port}?transport=tcp")));
    }

    urls
}

/// The address that leads to TURN over TLS, where it has no name.
fn tls_host(listen: IpAddr, servers: &[SocketAddr], advertise: &[Advertise]) -> Option<IpAddr> {
    if !listen.is_unspecified() {
        let behind = advertise.iter().find(|advertise| advertise.local == listen);
        return Some(behind.map_or(listen, |advertise| advertise.public));
    }
    let fits = |server: &&SocketAddr| server.is_ipv4() == listen.is_ipv4();

    servers.iter().find(fits).map(SocketAddr::ip)
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

    fn tls(listen: &str, hostname: Option<&str>) -> TurnSettings {
        TurnSettings {
            tls_listen: vec![listen.parse().unwrap()],
            hostname: hostname.map(str::to_owned),
            ..TurnSettings::default()
        }
    }

    #[test]
    fn the_first_address_of_each_family_is_offered_over_udp_and_tcp() {
        let all = candidates(&["198.51.100.7:3478", "198.51.100.8:3478", "[2001:db8::1]:3478"]);
        assert_eq!(
            urls(&all, &[], &TurnSettings::default(), false),
            [
                "turn:198.51.100.7:3478?transport=udp",
                "turn:[2001:db8::1]:3478?transport=udp",
                "turn:198.51.100.7:3478?transport=tcp",
                "turn:[2001:db8::1]:3478?transport=tcp",
            ]
        );
    }

    #[test]
    fn in_development_this_machine_and_its_network_are_served() {
        let all = candidates(&["127.0.0.1:3478", "192.0.2.1:3478", "[2001:db8::1]:3478"]);
        let urls = urls(&all, &[], &TurnSettings::default(), true);
        assert_eq!(urls.len(), 4);
        assert_eq!(urls[0], "turn:127.0.0.1:3478?transport=udp");
        assert_eq!(urls[1], "turn:192.0.2.1:3478?transport=udp");
        let lonely = candidates(&["127.0.0.1:3478"]);
        assert_eq!(super::urls(&lonely, &[], &TurnSettings::default(), false).len(), 2);
    }

    #[test]
    fn tls_is_offered_by_name_else_by_the_address_that_leads_there() {
        let all = candidates(&["198.51.100.7:3478", "[2001:db8::1]:3478"]);
        let nat = ["198.51.100.7/192.0.2.1".parse().unwrap()];
        let last = |turn: &TurnSettings| urls(&all, &nat, turn, false).pop();
        let named = last(&tls("0.0.0.0:5349", Some("turn.example.org")));
        assert_eq!(named.as_deref(), Some("turns:turn.example.org:5349?transport=tcp"));
        let wildcard = last(&tls("[::]:443", None));
        assert_eq!(wildcard.as_deref(), Some("turns:[2001:db8::1]:443?transport=tcp"));
        let behind = last(&tls("192.0.2.1:5349", None));
        assert_eq!(behind.as_deref(), Some("turns:198.51.100.7:5349?transport=tcp"));
    }
}
