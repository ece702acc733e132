//! Quotas over all shards: asked once for each new allocation, never for a packet.

use std::net::IpAddr;

/// Who counts allocations over all shards.
pub trait Ledger: Send + Sync {
    /// Counts an allocation of a user (a hash of the name) from a client's address, or says why
    /// there may be no more.
    fn enter(&self, user: u64, address: IpAddr) -> Result<(), Quota>;

    /// Counts an allocation that an earlier process had counted: it stands, whatever quota.
    fn readmit(&self, user: u64, address: IpAddr);

    /// An allocation that was counted has ended.
    fn leave(&self, user: u64, address: IpAddr);
}

/// Which quota is used up (RFC 8656, section 7.2: 486 for the first two, 508 for the third).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Allocations of one user.
    User,
    /// Allocations of one client address.
    Address,
    /// Allocations of this server.
    Total,
}

/// No quotas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Ledger for Unlimited {
    fn enter(&self, _user: u64, _address: IpAddr) -> Result<(), Quota> {
        Ok(())
    }

    fn readmit(&self, _user: u64, _address: IpAddr) {}

    fn leave(&self, _user: u64, _address: IpAddr) {}
}
