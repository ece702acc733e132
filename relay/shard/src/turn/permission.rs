//! CreatePermission and ChannelBind requests (RFC 8656, sections 10.2 and 12.2).

use super::allocation::Key;
use super::answer::Asker;
use super::counters::TurnRefusal;
use super::peers::Verdict;
use super::table::BindError;
use super::{Due, Turn};
use crate::Outbox;
use relay_wire::ChannelHeader;
use relay_wire::stun::Message;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a permission lasts (RFC 8656, section 9).
const PERMISSION_TIME: Duration = Duration::from_secs(300);

/// How long a channel stays bound (RFC 8656, section 12).
const CHANNEL_TIME: Duration = Duration::from_secs(600);

impl Turn {
    /// Installs permissions, all of them or none.
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        key: Key,
        asker: &Asker,
        request: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), TurnRefusal> {
        let mut none = true;
        for peer in request.xor_peer_addresses() {
            self.may_permit(key, peer?.ip())?;
            none = false;
        }
        if none {
            return Err(TurnRefusal::BadRequest);
        }
        let peers = || request.xor_peer_addresses().flatten().map(|peer| peer.ip());
        if !self.table.has_room(key, peers()) {
            return Err(TurnRefusal::TooMany);
        }
        for ip in peers() {
            self.table.permit(key, ip, self.addresses.holds(ip), now + PERMISSION_TIME);
        }
        self.timers.set(Due::Allocation(key), self.table.deadline(key));
        if let Some(allocation) = self.table.get(key) {
            asker.succeed(&allocation.principal, out, |_| {});
        }

        Ok(())
    }

    /// Binds a channel, or refreshes it, with a permission for its peer.
    pub(super) fn bind_channel(
        &mut self,
        now: Instant,
        key: Key,
        asker: &Asker,
        request: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), TurnRefusal> {
        let number = request.channel_number()?.ok_or(TurnRefusal::BadRequest)?;
        let peer = request.xor_peer_address()?.ok_or(TurnRefusal::BadRequest)?;
        if !ChannelHeader::NUMBERS.contains(&number) {
            return Err(TurnRefusal::BadRequest);
        }
        self.may_permit(key, peer.ip())?;
        if !self.may_reach(peer) {
            return Err(TurnRefusal::Forbidden);
        }
        if !self.table.has_room(key, [peer.ip()].into_iter()) {
            return Err(TurnRefusal::TooMany);
        }
        self.table.bind(key, number, peer, now + CHANNEL_TIME).map_err(|error| match error {
            BindError::Conflict => TurnRefusal::BadRequest,
            BindError::Full => TurnRefusal::TooMany,
        })?;
        let ours = self.addresses.holds(peer.ip());
        self.table.permit(key, peer.ip(), ours, now + PERMISSION_TIME);
        self.timers.set(Due::Allocation(key), self.table.deadline(key));
        if let Some(allocation) = self.table.get(key) {
            asker.succeed(&allocation.principal, out, |_| {});
        }

        Ok(())
    }

    fn may_permit(&self, key: Key, ip: IpAddr) -> Result<(), TurnRefusal> {
        let allocation = self.table.get(key).ok_or(TurnRefusal::Mismatch)?;
        if allocation.relayed.toward(ip).is_none() {
            return Err(TurnRefusal::FamilyMismatch);
        }

        // At an address of ours there may be a relayed address, or media: packets are looked at.
        let allowed = self.addresses.holds(ip) || self.peers.judge(ip) == Verdict::Allowed;

        if allowed { Ok(()) } else { Err(TurnRefusal::Forbidden) }
    }

    /// Whether there may be something at an address: at ours, only media and relayed addresses.
    pub(super) fn may_reach(&self, peer: SocketAddr) -> bool {
        self.addresses.find(peer).is_some() || self.peers.judge(peer.ip()) == Verdict::Allowed
    }
}
