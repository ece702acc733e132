//! Media and data between the wire and a room: SRTP in place on the way in, into the outbox on
//! the way out.

use super::Transports;
use super::connection::Keys;
use crate::data::Outcome;
use crate::{DropReason, Egress, Outbox, Packet, Path};
use relay_wire::control::{Channel, CloseReason, TransportId};

impl Transports {
    /// Unprotects an RTP packet in place and truncates it to the plain one; false when it ends
    /// here (counted).
    pub(crate) fn unprotect(
        &mut self,
        from: TransportId,
        packet: &mut Packet<'_>,
        out: &mut Outbox,
    ) -> bool {
        let Some(keys) = self.keys(from) else {
            out.drop(DropReason::NotConnected);
            return false;
        };
        match keys.ingress.unprotect(packet.payload_mut()) {
            Ok(len) => packet.truncate(len),
            Err(reason) => {
                out.drop(reason);
                return false;
            }
        }

        true
    }

    /// The same for a compound RTCP packet.
    pub(crate) fn unprotect_rtcp(
        &mut self,
        from: TransportId,
        packet: &mut Packet<'_>,
        out: &mut Outbox,
    ) -> bool {
        let Some(keys) = self.keys(from) else {
            out.drop(DropReason::NotConnected);
            return false;
        };
        match keys.ingress.unprotect_rtcp(packet.payload_mut()) {
            Ok(len) => packet.truncate(len),
            Err(reason) => {
                out.drop(reason);
                return false;
            }
        }

        true
    }

    fn keys(&mut self, of: TransportId) -> Option<&mut Keys> {
        self.by_id.get_mut(&of)?.keys()
    }

    fn way_out(&mut self, to: TransportId) -> Option<(Path, &mut Keys)> {
        let transport = self.by_id.get_mut(&to)?;

        Some((transport.ice.path()?, transport.keys()?))
    }

    /// Has a transport's SCTP packets sent when media has had its turn.
    pub(super) fn pump_later(&mut self, id: TransportId) {
        let Some(transport) = self.by_id.get_mut(&id) else { return };
        if !transport.pumping {
            transport.pumping = true;
            self.pumping.push_back(id);
        }
    }
}

impl Egress for Transports {
    fn rtp(
        &mut self,
        to: TransportId,
        header: &[u8],
        prefix: &[u8],
        payload: &[u8],
        out: &mut Outbox,
    ) -> bool {
        let Some((path, keys)) = self.way_out(to) else { return false };
        let overhead = keys.egress.profile().rtp_overhead();
        let len = header.len() + prefix.len() + payload.len() + overhead;
        let Some(slot) = out.slot(path, len) else { return false };
        if let Err(reason) = keys.egress.protect(header, prefix, payload, slot) {
            out.cancel(&path);
            out.drop(reason);
            return false;
        }

        true
    }

    fn rtcp(&mut self, to: TransportId, compound: &[u8], out: &mut Outbox) -> bool {
        let Some((path, keys)) = self.way_out(to) else { return false };
        let len = compound.len() + keys.egress.profile().rtcp_overhead();
        let Some(slot) = out.slot(path, len) else { return false };
        if let Err(reason) = keys.egress.protect_rtcp(compound, slot) {
            out.cancel(&path);
            out.drop(reason);
            return false;
        }

        true
    }

    fn data(
        &mut self,
        to: TransportId,
        channel: Channel,
        message: &[u8],
        out: &mut Outbox,
    ) -> bool {
        let Some(transport) = self.by_id.get_mut(&to) else { return false };
        match (transport.send_data(channel, message), channel) {
            (Outcome::Queued, _) => {
                self.pump_later(to);
                return true;
            }
            (Outcome::Refused, _) => out.drop(DropReason::DataRefused),
            (Outcome::Overflow, Channel::Lossy) => out.drop(DropReason::DataOverflow),
            (Outcome::Overflow, Channel::Reliable) => {
                out.drop(DropReason::DataOverflow);
                self.fail(to, CloseReason::DataOverflow, out);
            }
        }

        false
    }
}
