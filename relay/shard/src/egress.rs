//! Where a room's packets leave: whoever protects them for a transport and queues them.

use crate::Outbox;
use relay_wire::control::{Channel, TransportId};

/// The way from a room to its transports. Rooms deal in plain packets only.
pub trait Egress {
    /// Sends one RTP packet: `header` (extensions included; SRTP authenticates it), then the
    /// payload in two parts (both encrypted): the few rewritten bytes of `prefix`, often none, and
    /// `payload`. False when the transport is not connected or there is no room.
    fn rtp(
        &mut self,
        to: TransportId,
        header: &[u8],
        prefix: &[u8],
        payload: &[u8],
        out: &mut Outbox,
    ) -> bool;

    /// Sends a compound RTCP packet; false as above.
    fn rtcp(&mut self, to: TransportId, compound: &[u8], out: &mut Outbox) -> bool;

    /// Queues a data message; false when it was dropped.
    fn data(&mut self, to: TransportId, channel: Channel, message: &[u8], out: &mut Outbox)
    -> bool;
}
