//! One track on its way to one subscriber.

use super::exit::{Exit, Terms};
use super::follower::{Arrived, Follower};
use super::link::Outlet;
use super::media::{Body, Media};
use super::rewrite::{Numbers, Passage, Tail};
use super::sent::Sent;
use crate::Egress;
use relay_wire::control::SubscriptionId;
use std::time::{Duration, Instant};

/// A packet is not sent again to the same subscriber within this time.
const RESEND: Duration = Duration::from_millis(20);
/// Packets whose last repetition is remembered.
const RESENT: usize = 128;
/// Repetitions that may be saved up: each packet sent allows one, so that a subscriber who asks for
/// everything again and again is sent no more than twice the media.
const CREDIT_MAX: u32 = 1024;

/// A subscription's state.
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    /// Place of the link on which it leaves.
    pub(super) link: usize,
    pub(super) terms: Terms,
    /// What it gets of the track.
    pub(super) follower: Follower,
    pub(super) sent: Sent,
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
            follower: Follower::new(media),
            sent: Sent::default(),
            rtx_sequence: rtx.next,
            resent: Box::default(),
            credit: 0,
        }
    }

    /// Where its numbers end, of media and of retransmissions.
    pub(super) fn tails(&self) -> (Tail, Tail) {
        (self.follower.tail(), Tail::fresh(self.rtx_sequence))
    }

    /// Replaces the terms. What was sent under others cannot be repeated: a repetition under the
    /// same sequence number must be the same packet.
    pub(super) fn renew(&mut self, now: Instant, terms: Terms) {
        if self.terms != terms {
            self.follower.forget(now);
        }
        self.terms = terms;
    }

    /// Forwards a packet if this subscriber should have it.
    pub(super) fn forward<E: Egress>(
        &mut self,
        arrived: &Arrived<'_>,
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let outlet = &mut outlets[self.link];
        if !outlet.connected {
            return;
        }
        let media = arrived.media;
        match self.follower.pass(exit.now, arrived) {
            Passage::Send(numbers) => {
                let sent = exit.media(&self.terms, outlet, media, &numbers, &arrived.body);
                self.count(numbers.sequence, sent);
            }
            Passage::Fill(numbers) => self.fill(media, &numbers, outlet, exit),
            Passage::Nothing => {}
        }
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
        if !outlet.connected {
            return;
        }
        let passage = self.follower.skip(layer, media, due);
        if let Passage::Fill(numbers) = passage {
            self.fill(media, &numbers, outlet, exit);
        }
    }

    /// Sends an empty packet where another one has its number.
    fn fill<E: Egress>(
        &mut self,
        media: &Media,
        numbers: &Numbers,
        outlet: &mut Outlet,
        exit: &mut Exit<'_, E>,
    ) {
        exit.media(&self.terms, outlet, &media.emptied(), numbers, &Body::default());
        self.sent.note(numbers.sequence);
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

        self.follower.source(sequence)
    }

    /// Sends a packet again.
    pub(super) fn resend<E: Egress>(
        &mut self,
        layer: u8,
        media: &Media,
        body: &Body<'_>,
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let outlet = &mut outlets[self.link];
        let Some(numbers) = self.follower.sent(layer, media) else { return };
        if !outlet.connected || self.credit == 0 {
            return;
        }
        self.credit -= 1;
        exit.counters.retransmitted += 1;
        let Some((ssrc, payload_type)) = self.terms.rtx(media.codec) else {
            exit.media(&self.terms, outlet, media, &numbers, body);
            return;
        };
        let rtx = (ssrc, payload_type, self.rtx_sequence);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        exit.retransmission(&self.terms, outlet, rtx, media, &numbers, body);
    }

    fn count(&mut self, sequence: u64, octets: usize) {
        if octets > 0 {
            self.sent.count(sequence, octets);
            self.credit = (self.credit + 1).min(CREDIT_MAX);
        }
    }
}
