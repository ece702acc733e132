//! Publishers that do what they should not: each trick bends the packets of an honest encoder.

use crate::model::Packet;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

/// Time between two jumps of those who jump.
const JUMP_INTERVAL: Duration = Duration::from_millis(700);
/// Packets that a flooding publisher makes of one.
const FLOOD: usize = 20;
/// The longest payload of garbage.
const GARBAGE_MAX: usize = 1400;
/// Encodings of simulcast.
const STREAMS: usize = 3;

/// Something that no honest publisher does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Announces three layers and sends one.
    OneLayer,
    /// Changes its SSRCs again and again.
    NewSsrcs,
    /// Sequence numbers jump.
    Restart,
    /// RTP time jumps, mostly back.
    Clock,
    /// Sends each layer under another one's rid, and then under its own again.
    Swap,
    /// Payloads are random bytes.
    Garbage,
    /// The first bytes of payloads, where descriptors are, are random.
    Descriptor,
    /// Frames end where they do not.
    Markers,
    /// Sends everything twenty times, under numbers of its own.
    Flood,
}

impl Trick {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::OneLayer,
        Self::NewSsrcs,
        Self::Restart,
        Self::Clock,
        Self::Swap,
        Self::Garbage,
        Self::Descriptor,
        Self::Markers,
        Self::Flood,
    ];
}

/// One publisher's trick, and what it did to its numbers so far.
pub(crate) struct Mischief {
    trick: Option<Trick>,
    random: StdRng,
    /// By encoding: the next sequence number. A number is never used twice, whatever is sent: SRTP
    /// does not allow it.
    next: [Option<u64>; STREAMS],
    /// What is added to RTP time.
    clock: u32,
    /// Whether layers go under another one's name now.
    swapped: bool,
    due: Option<Instant>,
}

impl Mischief {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            trick: None,
            random: StdRng::seed_from_u64(seed),
            next: [None; STREAMS],
            clock: 0,
            swapped: false,
            due: None,
        }
    }

    /// Begins a trick, or ends it: numbers stay where they are.
    pub(crate) fn play(&mut self, trick: Option<Trick>) {
        self.trick = trick;
        self.swapped = false;
    }

    pub(crate) fn trick(&self) -> Option<Trick> {
        self.trick
    }

    /// Whether a jump is due; the next one is then due later.
    pub(crate) fn jumps(&mut self, now: Instant) -> bool {
        let jumps = self.trick.is_some() && self.due.is_none_or(|due| due <= now);
        if jumps {
            self.due = Some(now + JUMP_INTERVAL);
        }

        jumps
    }

    /// A jump of those who jump within their streams.
    pub(crate) fn jump(&mut self) {
        match self.trick {
            Some(Trick::Restart) => {
                let far = self.random.random_range(1500..30_000);
                self.next.iter_mut().flatten().for_each(|next| *next += far);
            }
            Some(Trick::Clock) => {
                let jump: u32 = self.random.random();
                self.clock = self.clock.wrapping_sub(jump >> self.random.random_range(0..12));
            }
            Some(Trick::Swap) => self.swapped = !self.swapped,
            _ => {}
        }
    }

    /// An SSRC's numbers begin low, so that a rollover need not be guessed.
    pub(crate) fn begin_anew(&mut self) {
        self.next = std::array::from_fn(|_| Some(self.random.random_range(1..0x4000)));
    }

    /// What becomes of a packet.
    pub(crate) fn bend(&mut self, mut packet: Packet) -> Vec<Packet> {
        packet.timestamp = packet.timestamp.wrapping_add(self.clock);
        match self.trick {
            Some(Trick::Swap) if self.swapped => {
                packet.stream = (packet.stream + 1) % STREAMS as u8;
            }
            Some(Trick::Garbage) => self.fill(&mut packet),
            Some(Trick::Descriptor) => {
                let len = packet.payload.len().min(7);
                self.random.fill(&mut packet.payload[..len]);
            }
            Some(Trick::Markers) => packet.marker = self.random.random(),
            _ => {}
        }
        let copies = if self.trick == Some(Trick::Flood) { FLOOD } else { 1 };

        (0..copies).map(|_| self.number(packet.clone())).collect()
    }

    fn number(&mut self, packet: Packet) -> Packet {
        let next = &mut self.next[usize::from(packet.stream)];
        let sequence = next.unwrap_or(packet.sequence);
        *next = Some(sequence + 1);

        Packet { sequence, ..packet }
    }

    fn fill(&mut self, packet: &mut Packet) {
        let longest = if self.random.random() { 8 } else { GARBAGE_MAX };
        let len = self.random.random_range(1..=longest);
        packet.payload.resize(len, 0);
        self.random.fill(packet.payload.as_mut_slice());
        packet.marker = self.random.random();
    }
}
