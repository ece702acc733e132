//! A turn's slow work, after media: DTLS datagrams that wait, timers that are due, SCTP packets.

use super::connection::Tools;
use super::lanes::Waiting;
use super::{Transport, Transports};
use crate::{DropReason, Event, Outbox, Packet};
use relay_wire::control::{CloseReason, TransportId};
use std::time::{Duration, Instant};

/// DTLS datagrams of one transport that wait for their turn.
const WAITING_MAX: usize = 128;

/// Established sessions' datagrams that one turn takes.
const RECORDS_A_TURN: usize = 32;

/// Bytes of SCTP packets that one turn sends.
const DATA_BYTES_A_TURN: usize = 64 * 1024;

/// A deadline is at least this far away: whatever a library says, a turn ends.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Bytes that the outbox must have free before SCTP adds to it: media goes first.
const OUTBOX_RESERVE_BYTES: usize = 64 * 1024;

impl Transports {
    /// Queues a DTLS datagram of the transport whose path it came on.
    pub(crate) fn dtls(&mut self, from: TransportId, packet: &Packet<'_>, out: &mut Outbox) {
        let Some(transport) = self.by_id.get_mut(&from) else { return };
        if transport.waiting >= WAITING_MAX {
            return out.drop(DropReason::DtlsQueueFull);
        }
        let datagram = packet.payload().to_vec();
        let waiting = Waiting { transport: from, datagram };
        if !self.lanes.push(transport.is_connected(), waiting) {
            return out.drop(DropReason::DtlsQueueFull);
        }
        transport.waiting += 1;
    }

    /// Does what is due, and a bounded share of what waits.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(id) = self.timers.pop(now) {
            self.expire(now, id, out);
        }
        if let Some(waiting) = self.lanes.next_handshake() {
            self.receive(now, &waiting, out);
        }
        for _ in 0..RECORDS_A_TURN {
            let Some(waiting) = self.lanes.next_record() else { break };
            self.receive(now, &waiting, out);
        }
        self.pump(now, out);
    }

    /// Whether `advance` has work at once.
    pub(crate) fn is_busy(&self) -> bool {
        !self.lanes.is_empty() || !self.pumping.is_empty() || !self.events.is_empty()
    }

    /// When `advance` is next needed, if it is not busy.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets a transport work, and closes it if it says so.
    pub(super) fn work(
        &mut self,
        now: Instant,
        id: TransportId,
        out: &mut Outbox,
        work: impl FnOnce(&mut Transport, &mut Tools<'_>) -> Result<(), CloseReason>,
    ) {
        let Some(transport) = self.by_id.get_mut(&id) else { return };
        let was_connected = transport.is_connected();
        let mut tools = Tools {
            now,
            id,
            settings: &self.settings,
            limits: &self.limits,
            scratch: &mut self.scratch,
            events: &mut self.events,
            out,
        };
        if let Err(reason) = work(transport, &mut tools) {
            return self.fail(id, reason, out);
        }
        if transport.is_connected() && !was_connected {
            self.connects += 1;
            self.connect_ms += transport.age_ms(now);
        }
        if transport.is_connected() {
            self.pump_later(id);
        }
        self.reschedule(now, id);
    }

    /// Keeps a transport's deadline in step with its state.
    pub(super) fn reschedule(&mut self, now: Instant, id: TransportId) {
        let transport = self.by_id.get(&id);
        let next = transport.map(|transport| transport.next_timeout(&self.limits));
        self.timers.set(id, next.map(|next| next.max(now + TIMER_STEP)));
    }

    fn receive(&mut self, now: Instant, waiting: &Waiting, out: &mut Outbox) {
        if let Some(transport) = self.by_id.get_mut(&waiting.transport) {
            transport.waiting = transport.waiting.saturating_sub(1);
        }
        self.work(now, waiting.transport, out, |transport, tools| {
            transport.receive(&waiting.datagram, tools)
        });
    }

    fn expire(&mut self, now: Instant, id: TransportId, out: &mut Outbox) {
        let Some(transport) = self.by_id.get_mut(&id) else { return };
        let (by_path, timeout) = (&mut self.by_path, self.limits.consent_timeout);
        let retired = transport.ice.expire(now, timeout, |path| {
            by_path.remove(&path);
            out.events.push(Event::FlowUnbound(path));
        });
        self.retire(retired);
        self.work(now, id, out, Transport::advance);
    }

    /// Sends SCTP packets of one transport after the other, at most so many bytes.
    fn pump(&mut self, now: Instant, out: &mut Outbox) {
        let mut budget = DATA_BYTES_A_TURN;
        for _ in 0..self.pumping.len() {
            if out.free() < OUTBOX_RESERVE_BYTES {
                return;
            }
            let Some(id) = self.pumping.pop_front() else { return };
            let mut more = false;
            self.work(now, id, out, |transport, tools| {
                more = transport.pump(&mut budget, tools)?;
                Ok(())
            });
            let Some(transport) = self.by_id.get_mut(&id) else { continue };
            transport.pumping = more;
            if more {
                return self.pumping.push_back(id);
            }
        }
    }
}
