//! One track on its way to one subscriber.

use super::exit::{Exit, Terms};
use super::link::Outlet;
use super::media::{Media, rate};
use super::rewrite::{Rewrite, Skip, Tail};
use crate::Egress;
use relay_wire::control::{Choice, SubscriptionId};
use std::time::{Duration, Instant};

/// A packet is not sent again to the same subscriber within this time.
const RESEND: Duration = Duration::from_millis(20);
/// Packets whose last repetition is remembered.
const RESENT: usize = 128;
/// Repetitions that may be saved up: each packet sent allows one, so that a subscriber who asks for
/// everything again and again is sent no more than twice the media.
const CREDIT_MAX: u32 = 1024;
/// Wait for a keyframe on a layer that never showed one: its payload may be encrypted.
const BLIND_WAIT: Duration = Duration::from_millis(1500);
/// Wait for a keyframe before anything is better than nothing.
const WAIT: Duration = Duration::from_secs(5);

/// A layer does not begin with a keyframe older than this beside what was sent: time would step.
const BEHIND_MAX: Duration = Duration::from_millis(50);

/// A packet of a layer, about to be forwarded.
pub(super) struct Arrived<'a> {
    pub(super) layer: u8,
    pub(super) media: &'a Media,
    pub(super) payload: &'a [u8],
    /// When it would have come had the network not delayed it.
    pub(super) due: Instant,
    /// Newer packets came before it.
    pub(super) late: bool,
    /// Subscribers may start here.
    pub(super) keyframe: bool,
    /// A frame starts here.
    pub(super) boundary: bool,
    /// Whether keyframes were ever recognised on this layer.
    pub(super) readable: bool,
}

/// Counts of one subscription, for sender reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// Highest sequence number that a receiver report named.
    pub(super) reported: Option<u32>,
}

/// A subscription's state.
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    /// Place of the link on which it leaves.
    pub(super) link: usize,
    pub(super) terms: Terms,
    pub(super) choice: Choice,
    /// The layer it should get.
    target: Option<u8>,
    /// The layer it gets.
    current: Option<u8>,
    /// Since when it waits for the target.
    waiting: Option<Instant>,
    pub(super) sent: Sent,
    rewrite: Rewrite,
    rtx_sequence: u16,
    /// By sequence number modulo `RESENT`; made with the first request.
    resent: Box<[(u16, Option<Instant>)]>,
    /// Repetitions that may be sent.
    credit: u32,
}

impl Subscription {
    /// A subscription that starts with these numbers, of media and of retransmissions.
    pub(super) fn new(
        id: SubscriptionId,
        link: usize,
        terms: Terms,
        (media, rtx): (Tail, Tail),
    ) -> Self {
        Self {
            id,
            link,
            terms,
            choice: Choice::Paused,
            target: None,
            current: None,
            waiting: None,
            sent: Sent::default(),
            rewrite: Rewrite::new(media),
            rtx_sequence: rtx.next,
            resent: Box::default(),
            credit: 0,
        }
    }

    /// The layer that is sent now.
    pub(super) fn current(&self) -> Option<u8> {
        self.current
    }

    /// The layer whose keyframe it waits for.
    pub(super) fn awaited(&self) -> Option<u8> {
        self.target.filter(|_| self.target != self.current)
    }

    /// The layer whose keyframe helps this subscriber.
    pub(super) fn wanted(&self) -> Option<u8> {
        self.target.or(self.current)
    }

    /// Aims at a layer, or pauses; returns whether that is a change.
    pub(super) fn aim(&mut self, now: Instant, target: Option<u8>) -> bool {
        if self.target == target {
            return false;
        }
        self.target = target;
        self.waiting = Some(now);
        if target.is_none() {
            self.current = None;
        }

        true
    }

    /// The stream is broken off: a keyframe (of sound: the next packet) must start it again.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.current = None;
        self.waiting = Some(now);
    }

    /// Difference of egress time and source time.
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.rewrite.timestamp_offset()
    }

    /// Where its numbers end, of media and of retransmissions.
    pub(super) fn tails(&self) -> (Tail, Tail) {
        (self.rewrite.tail(), Tail::fresh(self.rtx_sequence))
    }

    /// Replaces the terms. What was sent under others cannot be repeated: a repetition under the
    /// same sequence number must be the same packet.
    pub(super) fn renew(&mut self, now: Instant, terms: Terms) {
        if self.terms != terms {
            self.forget(now);
        }
        self.terms = terms;
    }

    /// Breaks the stream off, and forgets what was sent: it means nothing any more.
    pub(super) fn forget(&mut self, now: Instant) {
        self.rewrite.forget();
        self.interrupt(now);
    }

    /// Forwards a packet if this subscriber should have it.
    pub(super) fn forward<E: Egress>(
        &mut self,
        arrived: &Arrived<'_>,
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let outlet = &mut outlets[self.link];
        if !outlet.connected || !self.takes(arrived, exit) {
            return;
        }
        let (layer, source) = (arrived.layer, &arrived.media.numbers);
        let Some(numbers) = self.rewrite.place(arrived.due, layer, source) else {
            return;
        };
        let sent = exit.media(&self.terms, outlet, arrived.media, &numbers, arrived.payload);
        self.count(sent);
    }

    /// Leaves out a packet without payload, due at this time.
    pub(super) fn skip<E: Egress>(
        &mut self,
        layer: u8,
        (media, due): (&Media, Instant),
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let outlet = &mut outlets[self.link];
        if !outlet.connected || self.current != Some(layer) {
            return;
        }
        if let Skip::Fill(numbers) = self.rewrite.skip(due, layer, &media.numbers) {
            exit.media(&self.terms, outlet, media, &numbers, &[]);
        }
    }

    /// The layer and extended source number of a packet that the subscriber asks for again.
    pub(super) fn requested(&mut self, now: Instant, sequence: u16) -> Option<(u8, u64)> {
        if self.resent.is_empty() {
            self.resent = vec![(0, None); RESENT].into_boxed_slice();
        }
        let (last, at) = &mut self.resent[usize::from(sequence) % RESENT];
        let recent = |at: Instant| now.saturating_duration_since(at) < RESEND;
        if *last == sequence && at.is_some_and(recent) {
            return None;
        }
        (*last, *at) = (sequence, Some(now));

        self.rewrite.source(sequence)
    }

    /// Sends a packet again.
    pub(super) fn resend<E: Egress>(
        &mut self,
        layer: u8,
        media: &Media,
        payload: &[u8],
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let outlet = &mut outlets[self.link];
        let Some(numbers) = self.rewrite.map(layer, &media.numbers) else { return };
        let before = numbers.sequence < self.rewrite.next();
        if !outlet.connected || !before || self.credit == 0 {
            return;
        }
        self.credit -= 1;
        exit.counters.retransmitted += 1;
        let Some((ssrc, payload_type)) = self.terms.rtx(media.codec) else {
            exit.media(&self.terms, outlet, media, &numbers, payload);
            return;
        };
        let rtx = (ssrc, payload_type, self.rtx_sequence);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        exit.retransmission(&self.terms, outlet, rtx, media, &numbers, payload);
    }

    /// Whether the packet belongs to what is sent, and whether it starts it.
    fn takes<E: Egress>(&mut self, arrived: &Arrived<'_>, exit: &mut Exit<'_, E>) -> bool {
        if self.current == Some(arrived.layer) {
            return true;
        }
        if self.target == Some(arrived.layer) && self.starts(exit.now, arrived) {
            self.current = self.target;
            self.waiting = None;
            let (source, rate) = (&arrived.media.numbers, rate(arrived.media.codec));
            self.rewrite.begin(arrived.due, arrived.layer, source, rate);
            return true;
        }

        // A repair of the layer that was left fits into its gap.
        arrived.late && self.current.is_some()
    }

    fn starts(&self, now: Instant, arrived: &Arrived<'_>) -> bool {
        if arrived.late && self.rewrite.passed(arrived.layer, arrived.media.numbers.sequence) {
            return false;
        }
        if self.current.is_some() && self.rewrite.ahead_of(arrived.due) > BEHIND_MAX {
            return false;
        }
        let wait = if arrived.readable { WAIT } else { BLIND_WAIT };
        let waited = |since: Instant| now.saturating_duration_since(since) >= wait;
        let blind = self.current.is_none() || !arrived.readable;

        arrived.keyframe || (arrived.boundary && blind && self.waiting.is_none_or(waited))
    }

    fn count(&mut self, octets: usize) {
        self.sent.packets = self.sent.packets.wrapping_add(u32::from(octets > 0));
        self.sent.octets = self.sent.octets.wrapping_add(octets as u32);
        self.credit = (self.credit + u32::from(octets > 0)).min(CREDIT_MAX);
    }
}
