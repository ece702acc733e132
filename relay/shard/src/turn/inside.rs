//! Datagrams between addresses of ours: they never see the kernel.

use super::Turn;
use super::peers::Verdict;
use crate::{DropReason, Outbox, Packet, Path};
use std::net::SocketAddr;
use std::time::Instant;

impl Turn {
    /// Whether a datagram on this path inside the process is for one of our media addresses.
    pub(crate) fn is_for_media(&self, path: &Path) -> bool {
        self.addresses.is_media(&path.local)
    }

    /// How a peer of ours sees the remote end of a path: a relayed address by its public form.
    pub(crate) fn seen(&self, path: &Path) -> SocketAddr {
        self.addresses.public(path.remote)
    }

    /// Takes a datagram to a relayed address, on `Path::inside`, from another relayed address or a
    /// media address; hands it over if the relayed address is another shard's.
    pub(crate) fn inside(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Outbox) {
        let owner = self.addresses.shard_of(packet.path.local.port());
        if owner != self.index {
            return out.hand_over(owner, packet);
        }
        self.arrive(now, packet, out);
    }

    /// Takes a datagram that another shard handed over.
    ///
    /// To a relayed address of ours it was sent. To one of another shard it was sent from here, and
    /// came back: there is no such allocation.
    pub(crate) fn handed_over(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Outbox) {
        if self.addresses.shard_of(packet.path.local.port()) == self.index {
            return self.arrive(now, packet, out);
        }
        self.leave(packet, out);
    }

    /// Delivers a datagram to the client of the relayed address that it is sent to.
    pub(super) fn arrive(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Outbox) {
        let Path { local, remote, .. } = packet.path;
        let Some(key) = self.table.of_relayed(&local) else {
            return self.nobody(packet, out);
        };
        let public = self.addresses.public(remote);
        // The client may know the other by either form; the public one is what is handed around.
        let by_local = public != remote
            && self.table.channel_of(key, &public).is_none()
            && (self.table.channel_of(key, &remote).is_some()
                || self.table.permission(key, public.ip()).is_none());
        let peer = if by_local { remote } else { public };
        self.relay_to_client(now, (key, peer), packet.payload(), out);
    }

    /// There is no such allocation. Where own addresses are allowed as peers, another program may
    /// have the port: the shard that sent the datagram sends it again, by the kernel.
    fn nobody(&self, packet: &Packet<'_>, out: &mut Outbox) {
        let Path { local, remote, .. } = packet.path;
        if self.peers.judge(local.ip()) == Verdict::Forbidden || self.addresses.is_media(&remote) {
            return out.drop(DropReason::NoAllocation);
        }
        let sender = self.addresses.shard_of(remote.port());
        match sender == self.index {
            true => self.leave(packet, out),
            false => out.hand_over(sender, packet),
        }
    }

    /// Sends a datagram from the relayed address by the kernel. Its bytes go as they are: only
    /// datagrams that `relay_to_ours` had checked get here.
    fn leave(&self, packet: &Packet<'_>, out: &mut Outbox) {
        let Path { local, remote, .. } = packet.path;
        if self.table.of_relayed(&remote).is_none()
            || self.peers.judge(local.ip()) == Verdict::Forbidden
        {
            return out.drop(DropReason::NoAllocation);
        }
        super::relay::transmit(Path::peer(remote, local), packet.payload(), false, out);
    }
}
