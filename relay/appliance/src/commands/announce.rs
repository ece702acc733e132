//! What the operator reads at start, on standard output.

use crate::access::Access;
use signalling_server::{Bound, local_addresses};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Prints the addresses to open, and in development the key. Secrets are printed here and
/// nowhere else; they never get into the log.
pub(super) fn print(bound: &Bound, access: &Access) -> io::Result<()> {
    let http = bound.http_address()?;
    let tls = bound.tls_address();
    let mut out = io::stdout().lock();
    writeln!(out, "Millrace {} is running.", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  Open        {}", url("http", near(http)))?;
    if let Some(tls) = tls.filter(|tls| !tls.ip().is_loopback()) {
        for address in far(tls) {
            writeln!(out, "  Elsewhere   {}", url("https", address))?;
        }
        writeln!(out, "              (a self-signed certificate makes the browser warn: go on)")?;
    }
    let websocket = near(http);
    writeln!(out, "  LiveKit     ws://{websocket}   for SDKs")?;
    if access.development {
        writeln!(out, "  Development mode: no API key is configured, anybody who reaches this")?;
        writeln!(out, "  server gets a token. Set keys.NAME before others depend on it.")?;
        let secret = access.secret(&access.key).unwrap_or_default();
        writeln!(out, "  API key     {}   secret {secret}", access.key)?;
    }

    out.flush()
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}/")
}

/// The address as this machine's own browser reaches it.
fn near(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// The addresses at which other machines reach it.
fn far(address: SocketAddr) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let v4_only = address.is_ipv4();
    let reachable = |ip: &IpAddr| ip.is_ipv4() || !v4_only;

    local_addresses()
        .into_iter()
        .filter(reachable)
        .map(|ip| SocketAddr::new(ip, address.port()))
        .collect()
}
