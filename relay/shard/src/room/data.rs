//! Data messages from one participant to others.

use super::Room;
use crate::{DropReason, Egress, Outbox};
use relay_wire::control::{Channel, DataRole, ParticipantId, TransportId};
use relay_wire::data::{DataPacket, Destinations};
use std::time::Instant;

/// Destinations that one message may name.
const DESTINATIONS_MAX: usize = 256;
/// The field of `DataPacket` that repeats the sender inside.
const USER: u32 = 2;

impl Room {
    /// Forwards a data message that came on a transport to whom it names, or to all others.
    pub fn data<E: Egress>(
        &mut self,
        _now: Instant,
        from: TransportId,
        channel: Channel,
        message: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(sender) = self.sender(from) else {
            return out.drop(DropReason::DataRefused);
        };
        let Some(participant) = self.participants.get(&sender) else { return };
        let stamp = &participant.spec.stamp;
        let fits = message.len() + stamp.len() <= self.limits.data_message_bytes;
        let named = |packet: &DataPacket<'_>| packet.destinations().count();
        let Some(packet) = DataPacket::scan(message)
            .filter(|_| participant.spec.can_publish_data && fits)
            .filter(|packet| named(packet) <= DESTINATIONS_MAX)
        else {
            return out.drop(DropReason::DataRefused);
        };
        self.counters.data_in += 1;
        let mut stamped = std::mem::take(&mut self.scratch.message);
        stamped.clear();
        stamped.extend_from_slice(message);
        stamped.extend_from_slice(stamp);
        if packet.value == Some(USER) {
            stamped.extend_from_slice(&participant.user_stamp);
        }
        self.distribute(sender, packet.destinations(), channel, &stamped, egress, out);
        self.scratch.message = stamped;
    }

    /// Sends a message of the server's own; `to` empty means everybody.
    pub(super) fn send_data<E: Egress>(
        &mut self,
        channel: Channel,
        to: &[ParticipantId],
        message: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) {
        for participant in self.participants.keys() {
            if to.is_empty() || to.contains(participant) {
                self.counters.data_out +=
                    u64::from(self.deliver(*participant, channel, message, egress, out));
            }
        }
    }

    fn sender(&self, from: TransportId) -> Option<ParticipantId> {
        let link = self.links.get(*self.by_transport.get(&from)?)?;

        Some(link.participant)
    }

    fn distribute<E: Egress>(
        &mut self,
        sender: ParticipantId,
        to: Destinations<'_>,
        channel: Channel,
        message: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) {
        // Read once: the message may be long, and the room large.
        let to: Vec<&str> = to.collect();
        let everybody = to.is_empty();
        for (id, participant) in &self.participants {
            let named = || to.contains(&participant.spec.identity.as_str());
            let reached = *id != sender && participant.spec.can_subscribe;
            if reached && (everybody || named()) {
                self.counters.data_out +=
                    u64::from(self.deliver(*id, channel, message, egress, out));
            }
        }
    }

    fn deliver<E: Egress>(
        &self,
        to: ParticipantId,
        channel: Channel,
        message: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) -> bool {
        let Some(participant) = self.participants.get(&to) else { return false };
        // Connected or not: what is reliable waits for the channel.
        let mut links = participant.links.iter().filter_map(|place| self.links.get(*place));
        let link = links.find(|link| link.data == DataRole::Open);

        link.is_some_and(|link| egress.data(link.transport, channel, message, out))
    }
}
