//! The path of a packet through a client allocates nothing.

use super::client::{Client, Tools, Wants};
use super::sender::Sender;
use super::worker::Outcome;
use crate::allocations;
use crate::net::datagrams::{Receiver, Sends};
use crate::room::cast::Cast;
use crate::room::run::Run;
use crate::room::source::{Shape, Source};
use crate::rtc::rtp::Stream;
use crate::rtc::{Connection, Kind};
use crate::stamp;
use crate::tally::Tally;
use std::time::Instant;
use tokio::sync::mpsc;

const SHAPE: Shape = Shape {
    kind: Kind::Video,
    payload_bytes: 1_150,
    packets_per_second: 125,
    frames_per_second: 30,
    keyframe_seconds: 1,
};

/// Somebody who sends one stream, somebody who receives it, and what they share.
struct Pair {
    run: Run,
    publisher: Client,
    subscriber: Client,
    receiver: Receiver,
    sends: Sends,
    buffer: Vec<u8>,
    outcome: Outcome,
}

impl Pair {
    fn new() -> Self {
        // Nobody listens to the news.
        let (news, _) = mpsc::unbounded_channel();
        let run = Run::new(Cast::webinar(1, 1, &[SHAPE]), None, news);
        let now = Instant::now();
        let stream = Stream::new(7, 96, &[(1, "mid")], Some(2));
        let mut sender = Sender::new(Source::new(SHAPE, 0), stream, 0);
        sender.begin(now);
        let [ours, theirs] = Connection::pair().expect("loopback is there");
        let client = |connection, senders, wanted| {
            let streams = (senders, Wants::new(vec![wanted]));
            Client::new("somebody".to_owned(), now, connection, streams, true)
        };
        run.begin(stamp::now());

        Self {
            publisher: client(ours, vec![sender], false),
            subscriber: client(theirs, Vec::new(), true),
            run,
            receiver: Receiver::new(),
            sends: Sends::default(),
            buffer: Vec::with_capacity(4_096),
            outcome: Outcome { tally: Tally::new(1, 0), ..Default::default() },
        }
    }

    /// Sends so many frames and receives each.
    fn exchange(&mut self, frames: u32) {
        for _ in 0..frames {
            let Self { run, publisher, subscriber, receiver, sends, buffer, outcome } = self;
            let Client { connection, senders, .. } = publisher;
            senders[0].send(run, connection, sends, buffer);
            let Outcome { tally, by_layer, .. } = outcome;
            let mut tools = Tools { run, receiver, buffer, tally, by_layer };
            let connected = subscriber.receive(&mut tools, Instant::now());
            assert!(matches!(connected, Ok(false)));
        }
    }
}

#[test]
fn a_packet_sent_or_received_allocates_nothing() {
    let mut pair = Pair::new();
    pair.exchange(100);
    let before = pair.outcome.tally.received;
    let allocated = allocations::count(|| pair.exchange(300));

    assert!(pair.outcome.tally.received > before + 1_000);
    assert_eq!(pair.outcome.tally.corrupted + pair.outcome.tally.duplicates, 0);
    assert_eq!(allocated, 0);
}

#[test]
fn the_allocator_counts() {
    let allocated = allocations::count(|| {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(64)));
    });

    assert_eq!(allocated, 1);
}
