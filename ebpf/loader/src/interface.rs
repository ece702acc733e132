//! Interfaces of this machine: index and MAC address.

use crate::AttachError;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) mac: [u8; 6],
}

impl Interface {
    /// The interface of this name.
    pub(crate) fn find(name: &str) -> Result<Self, AttachError> {
        let missing = || AttachError::NoInterface(name.to_owned());
        let index = if_nametoindex(name).map_err(|_| missing())?;
        let mac = getifaddrs()
            .map_err(|_| missing())?
            .filter(|interface| interface.interface_name == name)
            .find_map(|interface| interface.address?.as_link_addr()?.addr())
            .ok_or_else(missing)?;

        Ok(Self { name: name.to_owned(), index, mac })
    }
}
