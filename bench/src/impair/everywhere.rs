//! One impairment on the way to every address of a server, as its candidates tell them.

use super::proxy::Impaired;
use super::spec::Spec;
use super::told::Told;
use anyhow::{Result, bail};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Addresses of one server; it may have a media address for each connection.
const ADDRESSES_MAX: usize = 1_000;

/// A proxy in front of each address that clients ask for.
pub(crate) struct Impairments {
    spec: Spec,
    proxies: Mutex<HashMap<SocketAddr, Impaired>>,
}

impl Impairments {
    /// No proxy yet.
    pub(crate) fn new(spec: Spec) -> Self {
        Self { spec, proxies: Mutex::default() }
    }

    /// Where clients are to send what is for this address of the server.
    pub(crate) fn towards(&self, server: SocketAddr) -> Result<SocketAddr> {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(proxy) = proxies.get(&server) {
            return Ok(proxy.address());
        }
        if proxies.len() == ADDRESSES_MAX {
            bail!("the server has more than {ADDRESSES_MAX} addresses: too many for --impair");
        }
        let proxy = Impaired::towards(server, self.spec)?;
        let address = proxy.address();
        proxies.insert(server, proxy);

        Ok(address)
    }

    /// Ends the proxies and tells what they did.
    pub(crate) fn stop(&self) -> Result<Told> {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);

        proxies.drain().map(|(_, proxy)| proxy.stop()).sum()
    }
}
