//! Which addresses to listen on, and which to offer.

use crate::{Advertise, Config, StartError};
use relay_shard::Reached;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// Concrete, but for port 0.
    pub(crate) address: SocketAddr,
    /// It was found behind a wildcard: when it cannot be used, the others still are.
    pub(crate) found: bool,
}

/// Replaces wildcards by this machine's own addresses, each address once.
pub(crate) fn expand(listen: &[SocketAddr]) -> Result<Vec<Listen>, StartError> {
    let own = if listen.iter().any(|address| address.ip().is_unspecified()) {
        own_addresses().map_err(StartError::Interfaces)?
    } else {
        Vec::new()
    };
    let expanded = expand_with(listen, &own);
    if expanded.is_empty() {
        return Err(StartError::NoAddress);
    }

    Ok(expanded)
}

/// What is offered of the addresses we listen on, best first: candidates, and where to relay from.
pub(crate) fn offered(
    config: &Config,
    listen: &[SocketAddr],
) -> Result<Vec<Reached<SocketAddr>>, StartError> {
    let itself = |address: &SocketAddr| Reached { local: *address, public: *address };
    let mut offered: Vec<Reached<SocketAddr>> = Vec::new();
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    if config.development {
        offered.extend(listen.iter().filter(|address| address.ip() == loopback).map(itself));
    }
    for advertise in &config.advertise {
        let before = offered.len();
        offered.extend(listen.iter().filter_map(|address| behind(advertise, address)));
        if offered.len() == before {
            return Err(StartError::Advertise(advertise.local));
        }
    }
    if config.advertise.is_empty() {
        offered.extend(listen.iter().filter(|address| !address.ip().is_loopback()).map(itself));
    }
    if offered.is_empty() {
        // Only loopback is listened on: then it is what the operator wants to offer.
        offered.extend(listen.iter().map(itself));
    }
    let mut seen = Vec::new();
    offered.retain(|address| {
        let new = !seen.contains(&address.public);
        seen.push(address.public);
        new
    });

    Ok(offered)
}

/// The addresses that are listened on, each with those by which others reach it.
pub(crate) fn reached(advertise: &[Advertise], listen: &[SocketAddr]) -> Vec<Reached<SocketAddr>> {
    let mut all = Vec::new();
    for address in listen {
        let before = all.len();
        all.extend(advertise.iter().filter_map(|advertise| behind(advertise, address)));
        if all.len() == before {
            all.push(Reached { local: *address, public: *address });
        }
    }

    all
}

/// The address by which others reach a local one, if another is advertised.
pub(crate) fn public_of(advertise: &[Advertise], local: IpAddr) -> Option<IpAddr> {
    advertise.iter().find(|advertise| advertise.local == local).map(|advertise| advertise.public)
}

fn behind(advertise: &Advertise, local: &SocketAddr) -> Option<Reached<SocketAddr>> {
    let public = SocketAddr::new(advertise.public, local.port());

    (local.ip() == advertise.local).then_some(Reached { local: *local, public })
}

fn expand_with(listen: &[SocketAddr], own: &[IpAddr]) -> Vec<Listen> {
    let mut expanded: Vec<Listen> = Vec::new();
    let mut add = |address: SocketAddr, found: bool| {
        if !expanded.iter().any(|known| known.address == address) {
            expanded.push(Listen { address, found });
        }
    };
    for address in listen.iter().filter(|address| !address.ip().is_unspecified()) {
        add(*address, false);
    }
    for wildcard in listen.iter().filter(|address| address.ip().is_unspecified()) {
        for ip in own.iter().filter(|ip| ip.is_ipv4() == wildcard.is_ipv4()) {
            add(SocketAddr::new(*ip, wildcard.port()), true);
        }
    }

    expanded
}

/// Addresses of all interfaces to listen on. IPv6 link-local ones are left out: they mean nothing
/// without an interface, which no candidate can name.
fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let mut own = of_interfaces()?;
    own.retain(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));

    Ok(own)
}

/// Addresses of all interfaces.
pub(crate) fn of_interfaces() -> io::Result<Vec<IpAddr>> {
    let mut own = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
        let v6 =
            address.as_sockaddr_in6().map(|a| IpAddr::from(SocketAddrV6::from(*a).ip().octets()));
        own.extend(v4.or(v6));
    }

    Ok(own)
}

/// A configuration that listens nowhere, for tests.
#[cfg(test)]
pub(crate) fn config_for_tests() -> Config {
    Config {
        listen: Vec::new(),
        advertise: Vec::new(),
        development: false,
        io: crate::IoKind::Uring,
        shards: None,
        dtls: relay_shard::DtlsVersions::Auto,
        data_directory: "unused".into(),
        recording_directory: "unused".into(),
        limits: relay_shard::Limits::default(),
        turn: crate::TurnSettings::default(),
        streams: crate::StreamLimits::default(),
        xdp: None,
        steer: crate::SteerSettings::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(advertise: &[&str], development: bool) -> Config {
        let advertise = advertise.iter().map(|text| text.parse().unwrap()).collect();
        Config { advertise, development, ..config_for_tests() }
    }

    fn candidates(config: &Config, listen: &[SocketAddr]) -> Result<Vec<SocketAddr>, StartError> {
        let offered = offered(config, listen)?;
        Ok(offered.iter().map(|address| address.public).collect())
    }

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn wildcards_become_own_addresses_of_their_family_once() {
        let own: Vec<IpAddr> =
            ["127.0.0.1", "192.0.2.1", "::1"].iter().map(|text| text.parse().unwrap()).collect();
        let listen = sockets(&["0.0.0.0:3478", "[::]:3478", "192.0.2.1:3478"]);

        let expanded: Vec<_> = expand_with(&listen, &own)
            .iter()
            .map(|listen| (listen.address, listen.found))
            .collect();
        let wanted = sockets(&["192.0.2.1:3478", "127.0.0.1:3478", "[::1]:3478"]);
        assert_eq!(expanded, [(wanted[0], false), (wanted[1], true), (wanted[2], true)]);
    }

    #[test]
    fn loopback_is_offered_in_development_only_and_first() {
        let listen = sockets(&["192.0.2.1:3478", "127.0.0.1:3478"]);

        let production = candidates(&config(&[], false), &listen).unwrap();
        assert_eq!(production, sockets(&["192.0.2.1:3478"]));
        let development = candidates(&config(&[], true), &listen).unwrap();
        assert_eq!(development, sockets(&["127.0.0.1:3478", "192.0.2.1:3478"]));
    }

    #[test]
    fn nat_is_named_by_public_and_local_address() {
        let listen = sockets(&["192.0.2.1:3478", "127.0.0.1:3478"]);

        let nat = candidates(&config(&["198.51.100.7/192.0.2.1"], false), &listen).unwrap();
        assert_eq!(nat, sockets(&["198.51.100.7:3478"]));
        let error = candidates(&config(&["198.51.100.7"], false), &listen).unwrap_err();
        assert!(error.to_string().starts_with("media.advertise = 198.51.100.7:"), "{error}");
    }
}
