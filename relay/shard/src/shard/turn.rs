//! What the driver tells and asks of TURN.

use super::{FLOWS_MAX, Shard};
use crate::transport::check_username;
use crate::turn::Turn;
use crate::{AllocationInfo, Event, NotAdopted, Offloaded, Outbox, Packet, Path, Selector};
use crate::{Standing, TurnConfig, Unreachable, Via};
use relay_wire::ice::shard_of;
use relay_wire::stun::Message;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

impl Shard {
    /// Sets the clock by which credentials expire and recordings are dated, since the Unix epoch.
    /// Time goes on by `now` until the next call: call it about once a second.
    pub fn set_clock(&mut self, now: Instant, unix: Duration) {
        self.turn.set_clock(now, unix.as_secs());
        self.rooms.set_clock(now, unix);
    }

    /// Replaces TURN's settings. Allocations go on, and may be refreshed with the credentials that
    /// made them even if these are removed; permissions and channels of peers that are refused now
    /// end at once.
    pub fn reconfigure(&mut self, turn: TurnConfig, out: &mut Outbox) {
        self.turn.reconfigure(turn, out);
    }

    /// Goes on with an allocation of an earlier process; the sockets of its relayed addresses must
    /// be open. Otherwise nothing has changed, and the sockets are the caller's to close.
    pub fn adopt(
        &mut self,
        now: Instant,
        standing: &Standing,
        out: &mut Outbox,
    ) -> Result<(), NotAdopted> {
        self.now = now;

        self.turn.adopt(now, standing, out)
    }

    /// Tells again of every path that is this shard's, every allocation that stands, and every
    /// channel that may be relayed without the shard (`Event::FlowBound`, `AllocationStands`,
    /// `ChannelBound`): what is not told is over.
    pub fn retell(&mut self, out: &mut Outbox) {
        self.transports.retell(out);
        self.turn.retell(out);
    }

    /// Learns what was relayed without the shard since it was told last.
    pub fn offloaded(&mut self, now: Instant, traffic: &Offloaded) {
        self.turn.offloaded(now, traffic);
    }

    /// Tells how `Event::RelayOpen` went. An address that nobody waits for any more is closed by
    /// `Event::RelayClose`.
    pub fn relay_opened(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        opened: bool,
        out: &mut Outbox,
    ) {
        self.now = now;
        self.turn.relay_opened(now, relayed, opened, out);
        self.turn.publish(out);
    }

    /// Passes on an ICMP error to the client whose packet caused it.
    pub fn unreachable(&mut self, now: Instant, error: Unreachable, out: &mut Outbox) {
        self.now = now;
        self.turn.unreachable(now, error, out);
    }

    /// Learns that a client's connection (`Via::Tcp`) is gone: what it had goes too.
    pub fn disconnected(&mut self, now: Instant, path: &Path, out: &mut Outbox) {
        self.now = now;
        self.turn.disconnected(path, out);
        self.turn.publish(out);
        if self.transports.yield_path(now, path) {
            out.events.push(Event::FlowUnbound(*path));
        }
    }

    /// The other shard whose matter this message is, if it is: a connection that sends one moves
    /// there, with the message unread.
    pub fn home(&self, packet: &Packet<'_>) -> Option<u16> {
        if self.is_in_use(&packet.path) {
            return None;
        }
        let message = Message::parse(packet.payload())?;
        let Some((ufrag, _)) = check_username(&message) else { return self.turn.named(&message) };
        let here = self.transports.knows(ufrag);

        shard_of(ufrag).filter(|shard| !here && *shard != self.index && *shard < self.shards)
    }

    /// Whether something of a client's stands on this path: an allocation, or a transport's path.
    /// A connection without is closed after a while.
    pub fn is_in_use(&self, path: &Path) -> bool {
        self.transports.owner(path).is_some() || self.turn.has_client(path)
    }

    /// Allocations that match, `None` for all; for operators.
    pub fn allocations(&self, now: Instant, which: Option<&Selector>) -> Vec<AllocationInfo> {
        self.turn.allocations(now, which)
    }

    /// Ends the allocations that match and hangs up their connections; returns how many.
    pub fn kick(&mut self, now: Instant, which: &Selector, out: &mut Outbox) -> usize {
        self.now = now;

        self.turn.kick(which, out)
    }

    /// Learns that another shard has an allocation on this path (`Some`), or no longer.
    pub(super) fn claimed(&mut self, path: Path, owner: Option<u16>) {
        match owner.filter(|owner| *owner != self.index && *owner < self.shards) {
            // Nobody remembers another's claim on what it owns.
            Some(_) if self.turn.has_client(&Path { via: Via::Udp, ..path }) => {}
            Some(owner) if self.flows.len() < FLOWS_MAX || self.flows.contains_key(&path) => {
                self.flows.insert(path, owner);
            }
            Some(_) => {}
            None => {
                self.flows.remove(&path);
            }
        }
    }

    /// Forgets that another shard claimed a path that is ours now.
    pub(super) fn forget_claim(&mut self, path: &Path) {
        if !self.flows.is_empty() && self.turn.has_client(path) {
            self.flows.remove(&Turn::claim(*path));
        }
    }
}
