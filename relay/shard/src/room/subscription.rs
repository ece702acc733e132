//! One track on its way to one subscriber.

use super::exit::{Exit, Terms};
use super::link::Outlet;
use super::media::{Body, Media, rate};
use super::rewrite::{Kind, Numbers, Passage, Rewrite, Tail};
use super::scaling::{Cell, Frame, Scaling};
use super::sent::Sent;
use crate::Egress;
use relay_wire::control::{Choice, Codec, SubscriptionId};
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
    pub(super) body: Body<'a>,
    /// What it is to the layers within its stream.
    pub(super) frame: Frame,
    pub(super) scaling: &'a Scaling,
    /// When it would have come had the network not delayed it.
    pub(super) due: Instant,
    /// Newer packets came before it.
    pub(super) late: bool,
    /// The first that came of its picture.
    pub(super) fresh: bool,
    /// A picture starts here.
    pub(super) boundary: bool,
    /// Whether keyframes were ever recognised on this layer.
    pub(super) readable: bool,
}

/// What a subscriber should get, or gets: of one stream of the track, the layers of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) layer: u8,
    pub(super) cell: Cell,
}

impl Aim {
    /// Whether it takes more than another frame rate to get from one to the other.
    fn differs(self, other: Option<Self>) -> bool {
        let place = |aim: Self| (aim.layer, aim.cell.spatial);

        other.is_none_or(|other| place(other) != place(self))
    }
}

/// A subscription's state.
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    /// Place of the link on which it leaves.
    pub(super) link: usize,
    pub(super) terms: Terms,
    pub(super) choice: Choice,
    /// Frames that it wants in a second at most.
    pub(super) fps_max: Option<u16>,
    /// What it should get.
    target: Option<Aim>,
    /// What it gets.
    current: Option<Aim>,
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
            fps_max: None,
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
        self.current.map(|aim| aim.layer)
    }

    /// What it waits for, and what it gets until then.
    pub(super) fn awaited(&self) -> Option<(Aim, Option<Aim>)> {
        let target = self.target.filter(|target| target.differs(self.current))?;

        Some((target, self.current))
    }

    /// The layer whose keyframe helps this subscriber.
    pub(super) fn wanted(&self) -> Option<u8> {
        self.target.or(self.current).map(|aim| aim.layer)
    }

    /// Aims at layers, or pauses; returns whether a keyframe may be needed for it.
    pub(super) fn aim(&mut self, now: Instant, target: Option<Aim>) -> bool {
        if self.target == target {
            return false;
        }
        let before = std::mem::replace(&mut self.target, target);
        let Some(target) = target else {
            self.current = None;
            return true;
        };
        let other = target.differs(before);
        if other {
            self.waiting = Some(now);
        }

        other
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
        if !outlet.connected || !self.takes(exit.now, arrived) {
            return;
        }
        let media = arrived.media;
        // Of the codecs that are forwarded, VP8's receivers alone wait for a missing picture.
        let kind = if media.codec == Codec::Vp8 { Kind::Picture } else { Kind::Frame };
        let (layer, source) = (arrived.layer, &media.numbers);
        match self.rewrite.pass(arrived.due, layer, source, arrived.frame.wanted, kind) {
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
        if !outlet.connected || self.current() != Some(layer) {
            return;
        }
        let passage = self.rewrite.pass(due, layer, &media.numbers, 0, Kind::Padding);
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

        self.rewrite.source(sequence)
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
        let Some((numbers, cell)) = self.rewrite.map(layer, &media.numbers) else { return };
        // What is left out was sent empty under its number, if at all.
        let sent = numbers.sequence < self.rewrite.next() && media.wanted & cell.bit() != 0;
        if !outlet.connected || !sent || self.credit == 0 {
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

    /// Whether the packet is of the stream that is sent, or starts it.
    fn takes(&mut self, now: Instant, arrived: &Arrived<'_>) -> bool {
        if self.current() == Some(arrived.layer) {
            if self.current != self.target && !arrived.late {
                self.turn(arrived);
            }
            return true;
        }
        if let Some(target) = self.target.filter(|target| target.layer == arrived.layer)
            && self.starts(now, target.cell, arrived)
        {
            self.current = self.target;
            self.waiting = None;
            let (source, rate) = (&arrived.media.numbers, rate(arrived.media.codec));
            self.rewrite.begin(arrived.due, (arrived.layer, target.cell), source, rate);
            return true;
        }

        // A repair of the layer that was left fits into its gap.
        arrived.late && self.current.is_some()
    }

    fn starts(&self, now: Instant, cell: Cell, arrived: &Arrived<'_>) -> bool {
        if arrived.late && self.rewrite.passed(arrived.layer, arrived.media.numbers.sequence) {
            return false;
        }
        if self.current.is_some() && self.rewrite.ahead_of(arrived.due) > BEHIND_MAX {
            return false;
        }
        let wait = if arrived.readable { WAIT } else { BLIND_WAIT };
        let waited = |since: Instant| now.saturating_duration_since(since) >= wait;
        let blind = self.current.is_none() || !arrived.readable;
        let begins = arrived.boundary && arrived.frame.wanted & cell.bit() != 0;

        arrived.frame.starts & cell.bit() != 0
            || (begins && blind && self.waiting.is_none_or(waited))
    }

    /// Comes closer to the target within the stream, if this packet allows it.
    fn turn(&mut self, arrived: &Arrived<'_>) {
        let (Some(Aim { layer, cell }), Some(target)) = (self.current, self.target) else { return };
        if target.layer != layer {
            return;
        }
        let Some(next) = next_cell(cell, target.cell, arrived) else { return };
        self.rewrite.turn(layer, next, &arrived.media.numbers);
        self.current = Some(Aim { layer, cell: next });
        if next.spatial == target.cell.spatial {
            self.waiting = None;
        }
    }

    fn count(&mut self, sequence: u64, octets: usize) {
        if octets > 0 {
            self.sent.count(sequence, octets);
            self.credit = (self.credit + 1).min(CREDIT_MAX);
        }
    }
}

/// The cell that a packet allows to turn to: the target; else its spatial layer; else, in the
/// spatial layer that is sent, its temporal layer or as close to it as is allowed.
fn next_cell(current: Cell, target: Cell, arrived: &Arrived<'_>) -> Option<Cell> {
    let Frame { starts, switches, from, .. } = arrived.frame;
    let mut allowed = starts;
    if arrived.fresh {
        allowed |= arrived.scaling.below(current);
    }
    if from & current.bit() != 0 {
        allowed |= switches;
    }
    if allowed == 0 {
        return None;
    }
    let fewer = current.temporal.min(target.temporal)..=target.temporal;
    let ways = std::iter::once(target)
        .chain(std::iter::once(Cell { temporal: current.temporal, ..target }))
        .chain(fewer.rev().map(|temporal| Cell { temporal, ..current }));

    ways.filter(|cell| *cell != current).find(|cell| allowed & cell.bit() != 0)
}
