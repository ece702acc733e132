//! TCP and TLS clients of the media plane: TURN over streams, and passive ICE-TCP (RFC 6544).
//!
//! `Streams` is one shard's: it owns an epoll instance with its listeners and connections, whose
//! descriptor the backend watches beside its own. Nothing here blocks; time is an argument.

mod certificate;
mod connection;
mod counters;
mod limits;
mod listener;
mod metrics;
mod receive;
mod send;
mod table;
mod tls;

pub(crate) use certificate::{CertificateWatch, Certificates};
pub(crate) use connection::Connection;
pub(crate) use connection::StreamKind;
pub(crate) use counters::StreamCounters;
pub use limits::StreamLimits;
pub(crate) use listener::{Listeners, bind};
pub(crate) use metrics::{descriptions, families};

use connection::Spare;
use counters::CloseReason;
use foldhash::fast::RandomState;
use listener::Listener;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use receive::{Buffers, Current};
use relay_shard::Path;
use rustls::ServerConfig;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::{Table, Token};

/// Events that are taken from the kernel at once.
const EVENTS_MAX: usize = 256;

/// Handshaking connections that a turn looks at; the first that cost something is the last.
const HANDSHAKES_A_TURN: usize = 16;

/// Within this time of its start a connection's first message has come, and as often it is checked
/// after that.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Checks in a row at which a connection may carry nothing: it has 30 s at least.
const UNUSED_MAX: u8 = 3;

/// Time for a connection that is being closed to take what waits for it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Every kind of readiness, told once each time it comes.
const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLOUT)
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// One shard's listeners and connections.
pub(crate) struct Streams {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    listeners: Vec<Listener>,
    tls: Option<Arc<ServerConfig>>,
    limits: StreamLimits,
    table: Table,
    by_path: HashMap<Path, Token, RandomState>,
    by_address: HashMap<IpAddr, usize, RandomState>,
    /// Connections with something to read, in turn.
    ready: VecDeque<Token>,
    /// The same, of those whose TLS handshake is not done.
    handshakes: VecDeque<Token>,
    dirty: Vec<Token>,
    /// Connections to be closed once what they are sent is in their buffers.
    ending: Vec<Token>,
    checks: VecDeque<(Instant, Token)>,
    closings: VecDeque<(Instant, Token)>,
    gone: Vec<Path>,
    current: Option<Current>,
    loads: usize,
    buffers: Buffers,
    spare: Spare,
    counters: StreamCounters,
}

impl Streams {
    /// Serves these listeners; `tls` is needed if there are some of TLS.
    pub(crate) fn new(
        listeners: Listeners,
        tls: Option<Arc<ServerConfig>>,
        limits: StreamLimits,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let listeners = listener::watch(&epoll, listeners)?;

        Ok(Self {
            epoll,
            events: vec![EpollEvent::empty(); EVENTS_MAX],
            listeners,
            tls,
            limits,
            table: Table::default(),
            by_path: HashMap::default(),
            by_address: HashMap::default(),
            ready: VecDeque::new(),
            handshakes: VecDeque::new(),
            dirty: Vec::new(),
            ending: Vec::new(),
            checks: VecDeque::new(),
            closings: VecDeque::new(),
            gone: Vec::new(),
            current: None,
            loads: 0,
            buffers: Buffers::new(),
            spare: Spare::default(),
            counters: StreamCounters::default(),
        })
    }

    /// The descriptor to watch: it is readable when `turn` should be told so.
    pub(crate) fn fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }

    /// Whether there is work that no readiness of the descriptor will tell.
    pub(crate) fn is_busy(&self) -> bool {
        !self.ready.is_empty()
            || !self.handshakes.is_empty()
            || !self.gone.is_empty()
            || self.current.is_some()
            || self.listeners.iter().any(Listener::is_pending)
    }

    /// Whether connections wait for `finish`.
    pub(crate) fn is_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Does what is due: new connections, one handshake step, timeouts. With `watched` the kernel
    /// has something to tell. `in_use` says of a path whether something of a client's stands on it.
    pub(crate) fn turn(&mut self, now: Instant, watched: bool, in_use: impl Fn(&Path) -> bool) {
        self.loads = 0;
        self.put_back_current();
        if watched {
            self.take_events();
        }
        self.accept(now);
        self.shake_hands();
        self.check(now, in_use);
    }

    /// Takes the paths of connections that are no more, in no order.
    pub(crate) fn gone(&mut self) -> std::vec::Drain<'_, Path> {
        self.gone.drain(..)
    }

    /// Counters since the start.
    pub(crate) fn counters(&self) -> &StreamCounters {
        &self.counters
    }

    /// Takes in a connection that another shard had; what it has to read is read here.
    pub(crate) fn arrive(&mut self, now: Instant, connection: Box<Connection>) {
        self.counters.moved_in += 1;
        if self.table.len() >= self.limits.connections {
            return self.counters.closed(CloseReason::Limit);
        }
        let Some(token) = self.insert(now, connection) else { return };
        self.enqueue(token);
    }

    fn insert(&mut self, now: Instant, connection: Box<Connection>) -> Option<Token> {
        let (path, kind) = (connection.path, connection.kind());
        // The kernel gives a path to a new connection only when the old one is no more.
        if let Some(old) = self.by_path.get(&path) {
            self.remove(*old, Some(CloseReason::Reset));
        }
        let token = self.table.insert(connection);
        self.by_path.insert(path, token);
        *self.by_address.entry(subscriber(path.remote.ip())).or_default() += 1;
        self.counters.open[kind as usize] += 1;
        self.checks.push_back((now + CHECK_EVERY, token));
        let connection = self.table.get(token)?;
        if self.epoll.add(&connection.socket, EpollEvent::new(INTEREST, token.bits())).is_err() {
            self.remove(token, Some(CloseReason::Limit));
            return None;
        }

        Some(token)
    }

    /// Forgets a connection; without a reason it was counted before, or lives on elsewhere.
    fn remove(&mut self, token: Token, reason: Option<CloseReason>) -> Option<Box<Connection>> {
        let mut connection = self.table.remove(token)?;
        let (path, kind) = (connection.path, connection.kind());
        if self.by_path.get(&path) == Some(&token) {
            self.by_path.remove(&path);
        }
        let address = subscriber(path.remote.ip());
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        self.counters.open[kind as usize] -= 1;
        if self.current.as_ref().is_some_and(|current| current.token == token) {
            self.current = None;
        }
        if let Some(reason) = reason {
            self.counters.closed(reason);
            self.bury(&connection);
            self.spare.take_back(&mut connection.output);
        }

        Some(connection)
    }

    /// Tells the shard of the end of a connection that it may know.
    fn bury(&mut self, connection: &Connection) {
        if connection.framing.is_some() {
            self.gone.push(connection.path);
        }
    }

    fn take_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        // What does not fit is told the next time.
        let told = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in &events[..told] {
            match listener::index_of(event.data()) {
                Some(index) => self.listeners[index].ready(),
                None => self.take_event(Token::from_bits(event.data()), event.events()),
            }
        }
        self.events = events;
    }

    fn take_event(&mut self, token: Token, events: EpollFlags) {
        let Some(connection) = self.table.get(token) else { return };
        let ends = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        connection.half_closed |= events.intersects(ends);
        if events.intersects(EpollFlags::EPOLLIN | ends) {
            connection.readable = true;
            self.enqueue(token);
        }
        let Some(connection) = self.table.get(token) else { return };
        if events.contains(EpollFlags::EPOLLOUT) && connection.blocked {
            connection.blocked = false;
            self.write(token);
        }
    }

    /// Puts a connection into the queue of those with something to read.
    fn enqueue(&mut self, token: Token) {
        let Some(connection) = self.table.get(token) else { return };
        if std::mem::replace(&mut connection.queued, true) {
            return;
        }
        if connection.is_handshaking() {
            self.handshakes.push_back(token);
        } else {
            self.ready.push_back(token);
        }
    }

    fn shake_hands(&mut self) {
        for _ in 0..HANDSHAKES_A_TURN {
            let Some(token) = self.handshakes.pop_front() else { return };
            if self.shake_hand(token) {
                return;
            }
        }
    }

    /// Closes connections that said nothing, that carry nothing, or that do not come to an end.
    fn check(&mut self, now: Instant, in_use: impl Fn(&Path) -> bool) {
        while let Some((_, token)) = self.checks.pop_front_if(|(due, _)| *due <= now) {
            let Some(connection) = self.table.get(token).filter(|c| !c.closing) else { continue };
            if connection.framing.is_none() {
                self.remove(token, Some(CloseReason::Silent));
                continue;
            }
            connection.proven = in_use(&connection.path);
            connection.unused = if connection.proven { 0 } else { connection.unused + 1 };
            if connection.unused > UNUSED_MAX {
                self.end(token, CloseReason::Unused);
                continue;
            }
            self.checks.push_back((now + CHECK_EVERY, token));
        }
        while let Some((_, token)) = self.closings.pop_front_if(|(due, _)| *due <= now) {
            self.remove(token, None);
        }
    }
}

/// What counts as one client's address: an IPv4 address, or an IPv6 /64.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests;
