//! The media loop of one shard: waits, feeds the shard, sends.

mod adopting;
mod connections;
mod recording;

use crate::bind::Patience;
use crate::failure::Failed;
use crate::io::Io;
use crate::mailbox::{Letter, Mailbox};
use crate::mesh::Port;
use crate::pace::Pace;
use crate::recording::{Lanes, Recorder};
use crate::relay::unix_time;
use crate::router::{Events, Router};
use crate::snapshot::Snapshots;
use crate::steering::Inbox;
use crate::streams::Streams;
use crate::turn::Desk;
use crate::wake::Wake;
use relay_shard::{Event, Outbox, Path, Shard};
use relay_wire::control::{Answer, Command, Message, Request, RoomId};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Memory for packets between two sends.
const OUTBOX_BYTES: usize = 8 << 20;

/// Packets between two sends. Half of both limits is kept free for one turn, which is more than a
/// packet that goes to all participants of the largest room needs.
pub(crate) const OUTBOX_PACKETS: usize = 4_096;

/// Datagrams that are received before other work gets its turn.
const TURN_DATAGRAMS: usize = 1_024;

/// Requests that are carried out before media gets its turn.
const TURN_REQUESTS: usize = 32;

/// Letters of any kind that are read before media gets its turn.
const TURN_LETTERS: usize = 2_048;

/// ICMP errors that are passed on before other work gets its turn.
const TURN_ERRORS: usize = 64;

/// Sockets of relayed addresses that are opened before other work gets its turn: about 10 us each.
const TURN_OPENS: usize = 32;

/// Sockets of relayed addresses that are closed before other work gets its turn.
const TURN_CLOSES: usize = 128;

/// Rounds of events and what they cause: an allocation may try some ports until one is free.
const SETTLE_ROUNDS: usize = 64;

/// The longest sleep: after it counters are published and the executor's own tasks run.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// How often counters are published.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// How often the shard is told what the system's clock says.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// The number of requests that the driver makes itself; their answers go nowhere.
const OWN_REQUEST: u64 = u64::MAX;

/// What a shard shares with the rest of the process.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    pub(crate) router: Arc<Router>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) events: Events,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) failed: Failed,
    pub(crate) stop: Arc<AtomicBool>,
    /// Where the kernel's maps are fed from, if it relays or steers.
    pub(crate) steering: Option<Arc<Inbox>>,
    /// Where media logs are written.
    pub(crate) lanes: Arc<Lanes>,
}

/// One shard with its sockets and its clock.
pub(crate) struct Driver<I> {
    index: u16,
    shard: Shard,
    io: I,
    streams: Streams,
    out: Outbox,
    handed: usize,
    wake: Arc<Wake>,
    port: Port,
    letters: VecDeque<Letter>,
    /// Events on their way; empty between calls.
    events: Vec<Event>,
    /// Relayed addresses to be opened, and how many of them in this turn.
    opening: VecDeque<SocketAddr>,
    opens: usize,
    /// Relayed addresses to be closed after what is still to be sent from them.
    closing: VecDeque<SocketAddr>,
    owners: HashMap<Path, u16, foldhash::fast::RandomState>,
    recorder: Recorder,
    shared: Shared,
    pace: Pace,
    publish_at: Instant,
    clock_at: Instant,
    handed_over: u64,
    taken_over: u64,
    turns: u64,
}

impl<I: Io> Driver<I> {
    pub(crate) fn new(
        index: u16,
        shard: Shard,
        io: I,
        streams: Streams,
        wake: Arc<Wake>,
        port: Port,
        shared: Shared,
    ) -> Self {
        let now = Instant::now();
        Self {
            index,
            shard,
            io,
            streams,
            out: Outbox::new(OUTBOX_BYTES, OUTBOX_PACKETS),
            handed: 0,
            wake,
            port,
            letters: VecDeque::new(),
            events: Vec::new(),
            opening: VecDeque::new(),
            opens: TURN_OPENS,
            closing: VecDeque::new(),
            owners: HashMap::default(),
            recorder: Recorder::new(shared.lanes.clone(), index),
            shared,
            pace: Pace::new(now),
            publish_at: now,
            clock_at: now + CLOCK_EVERY,
            handed_over: 0,
            taken_over: 0,
            turns: 0,
        }
    }

    /// Runs until the relay is stopped.
    pub(crate) async fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.turn();
            glommio::executor().yield_if_needed().await;
        }
        self.end_recordings(Instant::now());
        self.flush(Instant::now());
    }

    fn turn(&mut self) {
        self.wait();
        let now = Instant::now();
        self.opens = TURN_OPENS;
        if self.clock_at <= now {
            self.clock_at = now + CLOCK_EVERY;
            self.shard.set_clock(now, unix_time());
        }
        // Letters first: who was answered by another shard, which claims his path, may have sent
        // the next datagram already.
        self.read_letters(now);
        self.receive(now);
        self.pass_errors(now);
        self.receive_streams(now);
        self.take_over(now);
        if self.shard.next_timeout().is_some_and(|timeout| timeout <= now) {
            self.shard.advance(now, &mut self.out);
        }
        self.settle(now);
        if !self.out.transmits().is_empty() {
            self.pace.waiting(now);
        }
        if self.pace.due().is_some_and(|due| due <= now) {
            self.flush(now);
        }
        self.publish(now);
    }

    fn wait(&mut self) {
        self.wake.sleep();
        let mailbox = &self.shared.mailboxes[usize::from(self.index)];
        let work = !self.letters.is_empty()
            || !mailbox.is_empty()
            || !self.port.is_empty()
            || !self.out.events.is_empty()
            || !self.opening.is_empty()
            || !self.closing.is_empty()
            || self.streams.is_busy();
        let timeout = if work { Duration::ZERO } else { self.patience(Instant::now()) };
        self.io.wait(timeout, self.pace.gathers());
        self.wake.awake();
    }

    /// Time until something is to be done even if nothing comes.
    fn patience(&self, now: Instant) -> Duration {
        let next = [self.shard.next_timeout(), self.pace.due()].into_iter().flatten().min();

        next.map_or(SLEEP_MAX, |next| next.saturating_duration_since(now).min(SLEEP_MAX))
    }

    fn receive(&mut self, now: Instant) {
        for _ in 0..TURN_DATAGRAMS {
            let Some(packet) = self.io.next() else { return };
            self.shard.receive(now, packet, &mut self.out);
            self.make_room(now);
        }
    }

    fn pass_errors(&mut self, now: Instant) {
        for _ in 0..TURN_ERRORS {
            let Some(error) = self.io.next_error() else { return };
            self.shard.unreachable(now, error, &mut self.out);
            self.make_room(now);
        }
    }

    fn take_over(&mut self, now: Instant) {
        for _ in 0..TURN_DATAGRAMS {
            let Some(mut lent) = self.port.take() else { return };
            self.taken_over += 1;
            self.shard.receive(now, lent.packet(), &mut self.out);
            self.port.give_back(lent);
            self.make_room(now);
        }
    }

    /// Sends early when the next packet might not find room for all that it causes.
    fn make_room(&mut self, now: Instant) {
        let crowded = self.out.free() < OUTBOX_BYTES / 2
            || self.out.transmits().len() > OUTBOX_PACKETS / 2
            || self.out.hand_overs().len() > OUTBOX_PACKETS / 2;
        if crowded {
            self.settle(now);
            self.flush(now);
        }
    }

    fn read_letters(&mut self, now: Instant) {
        self.shared.mailboxes[usize::from(self.index)].take(&mut self.letters);
        let mut requests = 0;
        for _ in 0..TURN_LETTERS {
            let Some(letter) = self.letters.pop_front() else { return };
            match letter {
                Letter::Request { request, joins } => {
                    self.command(now, request, joins);
                    requests += 1;
                }
                Letter::Bound { path, owner } => {
                    self.owners.insert(path, owner);
                    self.shard.flow(path, Some(owner));
                }
                Letter::Unbound { path, owner } => {
                    // Another shard may have bound the path before this one let it go.
                    if self.owners.get(&path) == Some(&owner) {
                        self.owners.remove(&path);
                        self.shard.flow(path, None);
                    }
                }
                Letter::CloseRooms { rooms, done } => self.close_rooms(now, &rooms, done),
                Letter::Reconfigure(turn) => self.shard.reconfigure(*turn, &mut self.out),
                Letter::Retell => self.retell(now),
                Letter::Offloaded(relayed) => {
                    relayed.iter().for_each(|traffic| self.shard.offloaded(now, traffic));
                }
                Letter::Allocations { which, reply } => {
                    let _ = reply.send(self.shard.allocations(now, which.as_ref()));
                }
                Letter::Kick { which, reply } => {
                    let _ = reply.send(self.shard.kick(now, &which, &mut self.out));
                }
                Letter::Connection(connection) => self.streams.arrive(now, connection),
            }
            self.make_room(now);
            if requests == TURN_REQUESTS {
                return;
            }
        }
    }

    fn command(&mut self, now: Instant, request: Request, joins: bool) {
        let (id, room) = (request.id, request.room);
        let (comes, leaves) = match &request.command {
            Command::Participant(spec) => (joins.then_some(spec.participant), None),
            Command::RemoveParticipant(participant) => (None, Some(*participant)),
            _ => (None, None),
        };
        let closes = request.command == Command::CloseRoom;
        let before = self.out.events.len();
        self.carry_out(now, request);
        let refused = self.out.events[before..].iter().any(|event| {
            matches!(event, Event::Control(Message::Answer { id: of, answer: Answer::Refused(_) })
                if *of == id)
        });

        if let Some(gone) = leaves.or(comes.filter(|_| refused)) {
            self.shared.router.left(room, gone);
        }
        if closes {
            self.shared.router.closed(room);
        }
    }

    fn close_rooms(&mut self, now: Instant, rooms: &[RoomId], done: Sender<()>) {
        for &room in rooms {
            let request = Request { id: OWN_REQUEST, room, command: Command::CloseRoom };
            self.shard.command(now, request, &mut self.out);
            self.make_room(now);
        }
        self.settle(now);
        // What happened in these rooms has been told; the sender's end says so.
        drop(done);
    }

    /// Passes on events, with what they cause in turn, and hand-overs.
    fn settle(&mut self, now: Instant) {
        for _ in 0..SETTLE_ROUNDS {
            self.open_relayed(now);
            if self.out.events.is_empty() {
                break;
            }
            std::mem::swap(&mut self.events, &mut self.out.events);
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                self.pass_on(event);
            }
            self.events = events;
        }
        self.recorder.exchange(&mut self.shard, &mut self.out);
        let Self { out, port, .. } = self;
        for at in self.handed..out.hand_overs().len() {
            let hand_over = &out.hand_overs()[at];
            let datagram = &hand_over.datagram;
            match port.send(hand_over.shard, datagram.path, out.bytes(datagram)) {
                Ok(()) => self.handed_over += 1,
                Err(reason) => out.drop(reason),
            }
        }
        self.handed = out.hand_overs().len();
        port.notify();
        let nothing_to_send = out.transmits().is_empty();
        let closes = !self.closing.is_empty() || self.streams.is_ending();
        if nothing_to_send && (self.handed > 0 || closes) {
            self.flush(now);
        }
    }

    fn pass_on(&mut self, event: Event) {
        let Self { shared, index, .. } = self;
        match event {
            Event::Control(Message::Answer { id: OWN_REQUEST, .. }) => {}
            Event::Control(message) => (shared.events)(message),
            Event::FlowBound(path) => {
                tell(shared, *index, |owner| Letter::Bound { path, owner });
                self.tell_steering(event);
            }
            Event::FlowUnbound(path) => {
                tell(shared, *index, |owner| Letter::Unbound { path, owner });
                self.tell_steering(event);
            }
            Event::RelayOpen(relayed) => self.opening.push_back(relayed),
            Event::RelayClose(relayed) => self.closing.push_back(relayed),
            Event::HangUp(path) => self.streams.hang_up(&path),
            Event::ChannelBound(_)
            | Event::ChannelUnbound(_)
            | Event::AllocationStands(_)
            | Event::AllocationEnded(_) => self.tell_steering(event),
        }
    }

    fn tell_steering(&self, event: Event) {
        if let Some(steering) = &self.shared.steering {
            steering.tell(self.index, event);
        }
    }

    fn open_relayed(&mut self, now: Instant) {
        while self.opens > 0 {
            let Some(relayed) = self.opening.pop_front() else { return };
            self.opens -= 1;
            let opened = self.io.open(relayed, &Patience::none()).is_ok();
            self.shard.relay_opened(now, relayed, opened, &mut self.out);
        }
    }

    fn flush(&mut self, now: Instant) {
        if !self.out.transmits().is_empty() {
            self.io.flush(&self.out);
            self.streams.send(&self.out);
        }
        self.streams.finish(now);
        self.pace.sent(now, self.out.transmits().len());
        self.out.clear();
        self.handed = 0;
        for relayed in self.closing.drain(..self.closing.len().min(TURN_CLOSES)) {
            self.io.close(relayed);
        }
    }

    fn publish(&mut self, now: Instant) {
        self.turns += 1;
        if now < self.publish_at {
            return;
        }
        self.publish_at = now + PUBLISH_EVERY;
        self.shared.snapshots.publish(self.index, |snapshot| {
            snapshot.counters = self.shard.counters();
            snapshot.io.clone_from(self.io.counters());
            snapshot.streams.clone_from(self.streams.counters());
            snapshot.drops.clone_from(&self.out.drops);
            snapshot.handed_over = self.handed_over;
            snapshot.taken_over = self.taken_over;
            snapshot.turns = self.turns;
        });
    }
}

/// Tells the other shards about a flow. One that leaves its letters unread is stuck, and steering
/// would be wrong from here on: that is the end of the relay.
fn tell(shared: &Shared, from: u16, letter: impl Fn(u16) -> Letter) {
    for (shard, mailbox) in shared.mailboxes.iter().enumerate() {
        if shard != usize::from(from) && !mailbox.post(letter(from)) {
            shared.failed.fail(format!("shard {shard} does not read its letters"));
        }
    }
}
