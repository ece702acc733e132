//! All transports of a shard: ICE, DTLS, SRTP and data channels, and the room's way out.

mod connection;
mod lanes;
mod media;
mod stun;
mod turn;

use crate::dtls::{Identity, Scratch};
use crate::hash::{Map, map};
use crate::ice::Credentials;
use crate::timers::Timers;
use crate::{Config, Counters, Event, Limits, Outbox, Path, data};
use connection::Transport;
use lanes::Lanes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use relay_wire::control::{Channel, CloseReason, DataRole, Opened, Refusal, Remote};
use relay_wire::control::{Hash, RoomId, TransportId};
use relay_wire::ice::{is_pwd, is_ufrag};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

pub(crate) use stun::{Arrival, Elsewhere, check_username};

/// What happened on a transport, for its room and for signalling.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TransportEvent {
    /// The transport's room.
    pub(crate) room: RoomId,
    /// The transport.
    pub(crate) transport: TransportId,
    /// What happened.
    pub(crate) happening: Happening,
}

/// See `TransportEvent`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// ICE and DTLS are up, and the certificate is the announced one.
    Connected,
    /// It ended by itself; it is already gone.
    Closed(CloseReason),
    /// A data message came.
    Data(Channel, Vec<u8>),
}

/// Every transport of one shard.
pub(crate) struct Transports {
    shard: u16,
    candidates: Vec<SocketAddr>,
    candidates_tcp: Vec<SocketAddr>,
    limits: Limits,
    identity: Identity,
    settings: data::Settings,
    random: StdRng,
    scratch: Scratch,
    /// Boxed: a transport is large, and tables move what is in them when they grow.
    by_id: Map<TransportId, Box<Transport>>,
    by_path: Map<Path, TransportId>,
    by_ufrag: Map<String, TransportId>,
    timers: Timers<TransportId>,
    lanes: Lanes,
    pumping: VecDeque<TransportId>,
    events: VecDeque<TransportEvent>,
    connects: u64,
    connect_ms: u64,
}

impl Transports {
    /// No transports yet; `seed` makes credentials, `hash_seed` keys the tables.
    pub(crate) fn new(config: Config, identity: Identity, seed: [u8; 32], hash_seed: u64) -> Self {
        let limits = config.limits;
        let settings =
            data::Settings::new(limits.data_message_bytes, limits.data_unacknowledged_bytes);

        Self {
            shard: config.index,
            candidates: config.candidates,
            candidates_tcp: config.candidates_tcp,
            limits,
            identity,
            settings,
            random: StdRng::from_seed(seed),
            scratch: Scratch::default(),
            by_id: map(hash_seed),
            by_path: map(hash_seed),
            by_ufrag: map(hash_seed),
            timers: Timers::new(hash_seed),
            lanes: Lanes::default(),
            pumping: VecDeque::new(),
            events: VecDeque::new(),
            connects: 0,
            connect_ms: 0,
        }
    }

    /// Whether there is room for a transport of this name.
    pub(crate) fn vacancy(&self, id: TransportId) -> Result<(), Refusal> {
        if self.by_id.contains_key(&id) {
            return Err(Refusal::Invalid);
        }
        if self.by_id.len() >= self.limits.transports {
            return Err(Refusal::Full);
        }

        Ok(())
    }

    /// Opens a transport.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        room: RoomId,
        id: TransportId,
        role: DataRole,
    ) -> Result<Opened, Refusal> {
        self.vacancy(id)?;
        let local = self.fresh_credentials();
        let opened = self.opened(&local);
        self.by_ufrag.insert(local.ufrag.clone(), id);
        let transport = Transport::new(now, room, role, local, &self.identity);
        self.by_id.insert(id, Box::new(transport));
        self.reschedule(now, id);

        Ok(opened)
    }

    /// Tells a transport its remote side; a handshake that is over may connect it at once.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        room: RoomId,
        id: TransportId,
        remote: Remote,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if !is_valid(&remote) {
            return Err(Refusal::Invalid);
        }
        let transport = self.of_room(room, id)?;
        transport.admit(remote)?;
        self.work(now, id, out, Transport::settle);

        Ok(())
    }

    /// Gives a transport new local credentials (RFC 8445, section 9).
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        room: RoomId,
        id: TransportId,
    ) -> Result<Opened, Refusal> {
        self.of_room(room, id)?;
        let local = self.fresh_credentials();
        let opened = self.opened(&local);
        let until = now + self.limits.consent_timeout;
        self.by_ufrag.insert(local.ufrag.clone(), id);
        let retired = self.of_room(room, id)?.ice.restart(local, until);
        self.retire(retired);
        self.reschedule(now, id);

        Ok(opened)
    }

    /// Closes a transport with a good-bye, without an event; false if it is not there.
    pub(crate) fn close(&mut self, id: TransportId, out: &mut Outbox) -> bool {
        let Some(mut transport) = self.by_id.remove(&id) else { return false };
        transport.say_goodbye(&mut self.scratch, out);
        for ufrag in transport.ice.ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        for path in transport.ice.paths() {
            self.by_path.remove(&path);
            out.events.push(Event::FlowUnbound(path));
        }
        self.timers.set(id, None);

        true
    }

    /// Tells of every path that is ours.
    pub(crate) fn retell(&self, out: &mut Outbox) {
        out.events.extend(self.by_path.keys().copied().map(Event::FlowBound));
    }

    /// Whose datagrams come on this path, and its room.
    pub(crate) fn owner(&self, path: &Path) -> Option<(TransportId, RoomId)> {
        let id = *self.by_path.get(path)?;

        self.by_id.get(&id).map(|transport| (id, transport.room))
    }

    /// Gives up a path that another shard validated; true if it was here.
    pub(crate) fn yield_path(&mut self, now: Instant, path: &Path) -> bool {
        let Some(id) = self.by_path.remove(path) else { return false };
        if let Some(transport) = self.by_id.get_mut(&id) {
            transport.ice.lose(*path);
        }
        self.reschedule(now, id);

        true
    }

    /// Whether a user name fragment is a transport's here.
    pub(crate) fn knows(&self, ufrag: &str) -> bool {
        self.by_ufrag.contains_key(ufrag)
    }

    /// Whether a transport is here.
    pub(crate) fn contains(&self, room: RoomId, id: TransportId) -> bool {
        self.by_id.get(&id).is_some_and(|transport| transport.room == room)
    }

    /// What happened since it was asked last.
    pub(crate) fn next_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Adds gauges and counters.
    pub(crate) fn counters(&self, total: &mut Counters) {
        total.transports += self.by_id.len() as u64;
        total.connects += self.connects;
        total.connect_ms += self.connect_ms;
    }

    fn of_room(&mut self, room: RoomId, id: TransportId) -> Result<&mut Transport, Refusal> {
        let transport = self.by_id.get_mut(&id).map(Box::as_mut);

        transport.filter(|transport| transport.room == room).ok_or(Refusal::Unknown)
    }

    fn fresh_credentials(&mut self) -> Credentials {
        loop {
            let local = Credentials::random(self.shard, &mut self.random);
            if !self.by_ufrag.contains_key(&local.ufrag) {
                return local;
            }
        }
    }

    fn opened(&self, local: &Credentials) -> Opened {
        Opened {
            shard: self.shard,
            ufrag: local.ufrag.clone(),
            pwd: local.pwd.clone(),
            fingerprint: self.identity.fingerprint().clone(),
            candidates: self.candidates.clone(),
            candidates_tcp: self.candidates_tcp.clone(),
        }
    }

    fn retire(&mut self, ufrag: Option<String>) {
        if let Some(ufrag) = ufrag {
            self.by_ufrag.remove(&ufrag);
        }
    }

    /// Closes a transport that ended by itself.
    fn fail(&mut self, id: TransportId, reason: CloseReason, out: &mut Outbox) {
        let Some(room) = self.by_id.get(&id).map(|transport| transport.room) else { return };
        self.close(id, out);
        let happening = Happening::Closed(reason);
        self.events.push_back(TransportEvent { room, transport: id, happening });
    }
}

/// RFC 8839, section 5.4; RFC 8122, section 5.
fn is_valid(remote: &Remote) -> bool {
    let digest_len = match remote.fingerprint.hash {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    };

    is_ufrag(&remote.ufrag) && is_pwd(&remote.pwd) && remote.fingerprint.digest.len() == digest_len
}
