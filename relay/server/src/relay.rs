//! Starts and stops the media plane: sockets, then one pinned executor for each shard.

use crate::driver::{Driver, OUTBOX_PACKETS, Shared};
use crate::failure::Failed;
use crate::identity::{self, Identity};
use crate::io::Io;
use crate::mailbox::Mailbox;
use crate::mesh::{Mesh, Port};
use crate::metrics::RelayCollector;
use crate::mmsg::Mmsg;
use crate::opening::{self, Opened};
use crate::recording::{Lanes, Recording, WriterCounters};
use crate::router::{Events, Router};
use crate::snapshot::Snapshots;
use crate::sockets::Sockets;
use crate::steering::{Counters, Inbox, Prepared, Steering};
use crate::streams::{CertificateWatch, Streams};
use crate::turn::{Desk, Surroundings};
use crate::uring::Uring;
use crate::wake::Wake;
use crate::{Config, IoKind, RelayHandle, StartError, addresses};
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use relay_shard::{Shard, Standing, TurnConfig};
use relay_wire::control::{Event, Message};
use relay_wire::ice::SHARDS_MAX;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Locked memory that glommio asks for before it starts an executor.
const MEMORY_LOCK_BYTES: u64 = 512 << 10;

/// The running media plane. Dropping it stops it.
pub struct Relay {
    threads: Vec<ExecutorJoinHandle<()>>,
    wakes: Vec<Arc<Wake>>,
    shared: Shared,
    listen: Vec<SocketAddr>,
    tls_listen: Vec<SocketAddr>,
    candidates: Vec<SocketAddr>,
    limits: relay_shard::Limits,
    certificate: Option<Arc<CertificateWatch>>,
    /// Ends after the shards, whose last events it still takes.
    steering: Option<Steering>,
    /// Ends after the shards, whose last blocks it still writes.
    _recording: Recording,
    recorded: Arc<Mutex<WriterCounters>>,
    steered: Arc<Mutex<Counters>>,
}

/// What one shard's thread needs; sent to it before it starts.
struct Seat {
    io: IoKind,
    shard: relay_shard::Config,
    sockets: Sockets,
    place: Place,
}

/// What stays the same whichever backend the shard gets.
struct Place {
    index: u16,
    streams: Streams,
    wake: Arc<Wake>,
    port: Port,
    shared: Shared,
    /// What the shard goes on with.
    standing: Vec<Standing>,
    ready: SyncSender<Result<(), String>>,
}

/// Starts the media plane; when this returns, all its sockets are open and all shards run.
///
/// `events` is called on the shards' threads, where media waits for it: it must not block. Should
/// it panic, the shard is gone, and `Relay::failed` tells.
pub fn start(config: &Config, events: Events) -> Result<Relay, StartError> {
    raise_memory_lock()?;
    let cpus = cpus();
    let shards = config.shards.unwrap_or_else(|| cpus.len().min(SHARDS_MAX.into()) as u16);
    if shards == 0 || shards > SHARDS_MAX {
        return Err(StartError::Shards(shards));
    }
    let Opened { sockets, listen, tls_listen, certificate } = opening::open(config, shards)?;
    let offered = addresses::offered(config, &listen)?;
    let candidates = offered.iter().map(|address| address.public).collect();
    let surroundings = Surroundings::new(config, shards, &listen, &offered);
    let identity = identity::load_or_create(&config.data_directory)?;
    let wakes = wakes(shards).map_err(|error| StartError::Socket { address: listen[0], error })?;
    let mailboxes: Vec<_> = wakes.iter().cloned().map(Mailbox::new).collect();
    let (desk, turn) = Desk::new(mailboxes.clone(), surroundings, &config.turn)?;
    let places: Vec<usize> = cpus.iter().copied().cycle().take(shards.into()).collect();
    let prepared = Prepared::new(config, sockets.iter().map(|(sockets, _)| sockets), &places)?;
    let (failed, recorded) = (Failed::default(), Arc::default());
    let directory = config.recording_directory.clone();
    let recording = Recording::start(shards, directory, &events, &recorded, &failed);
    let recording = recording.map_err(StartError::Recording)?;
    let mut shared = shared(config, mailboxes, Arc::new(desk), events, failed, recording.lanes());
    shared.steering = prepared.as_ref().map(|_| Arc::new(Inbox::new(shards)));
    let mut relay = Relay {
        threads: Vec::new(),
        wakes,
        shared,
        listen,
        tls_listen,
        candidates,
        limits: config.limits,
        certificate: certificate.map(Arc::new),
        steering: None,
        _recording: recording,
        recorded,
        steered: Arc::default(),
    };
    let standing = relay.steer(prepared)?;
    relay.spawn(config, &turn, &identity, sockets, &places, standing)?;
    tracing::info!(shards, listen = ?relay.listen, candidates = ?relay.candidates, "media is up");

    Ok(relay)
}

impl Relay {
    /// A handle for requests.
    pub fn handle(&self) -> RelayHandle {
        let Shared { router, desk, .. } = &self.shared;

        RelayHandle::new(router.clone(), desk.clone(), self.certificate.clone())
    }

    /// The metrics of all shards, for a registry.
    pub fn collector(&self) -> RelayCollector {
        RelayCollector::new(
            self.shared.snapshots.clone(),
            self.limits,
            self.steered.clone(),
            self.recorded.clone(),
        )
    }

    /// Resolves when a shard dies: the process should then end with an error, to be restarted.
    pub fn failed(&self) -> Failed {
        self.shared.failed.clone()
    }

    /// The addresses that are listened on, by UDP and TCP.
    pub fn listen(&self) -> &[SocketAddr] {
        &self.listen
    }

    /// The addresses that are listened on for TURN over TLS.
    pub fn tls_listen(&self) -> &[SocketAddr] {
        &self.tls_listen
    }

    /// The addresses that are offered as candidates, best first.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.wakes.len() as u16
    }

    /// Stops all shards and waits for their threads.
    pub fn stop(self) {
        drop(self);
    }

    /// Starts steering, if there is any; what each shard is to go on with.
    fn steer(&mut self, prepared: Option<Prepared>) -> Result<Vec<Vec<Standing>>, StartError> {
        let (shards, shared) = (self.shards(), &self.shared);
        let (Some(mut prepared), Some(inbox)) = (prepared, &shared.steering) else {
            return Ok(vec![Vec::new(); shards.into()]);
        };
        let standing = prepared.shares(shards);
        let (mailboxes, failed) = (shared.mailboxes.clone(), shared.failed.clone());
        let steering = prepared.start(inbox.clone(), mailboxes, self.steered.clone(), failed);
        let failed = |error| StartError::Shard(format!("steering does not start: {error}"));
        self.steering = Some(steering.map_err(failed)?);

        Ok(standing)
    }

    fn spawn(
        &mut self,
        config: &Config,
        turn: &TurnConfig,
        identity: &Identity,
        sockets: Vec<(Sockets, Streams)>,
        cpus: &[usize],
        standing: Vec<Vec<Standing>>,
    ) -> Result<(), StartError> {
        let mesh = Mesh::new(self.wakes.clone());
        let mut waiting = Vec::new();
        for ((index, (sockets, streams)), standing) in (0u16..).zip(sockets).zip(standing) {
            let (ready, is_ready) = sync_channel(1);
            let (shard, io) = (self.shard_config(config, turn, identity, index), config.io);
            let place = Place {
                index,
                streams,
                wake: self.wakes[usize::from(index)].clone(),
                port: Port::new(&mesh, index),
                shared: self.shared.clone(),
                standing,
                ready,
            };
            let seat = Seat { io, shard, sockets, place };
            let cpu = Placement::Fixed(cpus[usize::from(index)]);
            let thread = LocalExecutorBuilder::new(cpu)
                .name("media")
                .io_memory(64 << 10)
                .spawn(move || seat.run())
                .map_err(|error| executor_error(index, &error))?;
            self.threads.push(thread);
            waiting.push(is_ready);
        }
        for (index, is_ready) in (0u16..).zip(waiting) {
            match is_ready.recv() {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return Err(StartError::Shard(reason)),
                Err(_) => return Err(self.executor_failure(index)),
            }
        }

        Ok(())
    }

    /// Why a thread ended before it was ready: only its join result tells.
    fn executor_failure(&mut self, index: u16) -> StartError {
        let thread = self.threads.remove(index.into());
        match thread.join() {
            Err(error) => executor_error(index, &error),
            Ok(()) => StartError::Executor { shard: index, reason: "it ended".into() },
        }
    }

    fn shard_config(
        &self,
        config: &Config,
        turn: &TurnConfig,
        identity: &Identity,
        index: u16,
    ) -> relay_shard::Config {
        relay_shard::Config {
            index,
            shards: self.shards(),
            candidates: self.candidates.clone(),
            certificate: identity.certificate.clone(),
            private_key: identity.private_key.clone(),
            dtls: config.dtls,
            seed: rand::random(),
            limits: config.limits,
            listen: self.shared.desk.surroundings().listen().to_vec(),
            unix_seconds: unix_time().as_secs(),
            turn: turn.clone(),
            ledger: self.shared.desk.books(),
            candidates_tcp: self.candidates.clone(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wakes.iter().for_each(|wake| wake.wake());
        for (index, thread) in self.threads.drain(..).enumerate() {
            if let Err(error) = thread.join() {
                tracing::error!(shard = index, %error, "a shard did not end well");
            }
        }
    }
}

impl Seat {
    async fn run(self) {
        let Self { io, shard, sockets, place } = self;
        let shard = match Shard::new(shard, Instant::now()) {
            Ok(shard) => shard,
            Err(error) => return place.give_up(error.to_string()),
        };
        let index = place.index;
        let _watch = Watch { index, shared: place.shared.clone() };
        let sockets = match io {
            IoKind::Mmsg => sockets,
            IoKind::Uring => match Uring::new(sockets, place.wake.clone(), OUTBOX_PACKETS) {
                Ok(io) => return place.run(shard, io).await,
                Err(refused) => {
                    let (error, sockets) = *refused;
                    tracing::warn!(shard = index, %error, "no io_uring here: media.io = mmsg");
                    sockets
                }
            },
        };
        match Mmsg::new(sockets, place.wake.clone(), OUTBOX_PACKETS) {
            Ok(io) => place.run(shard, io).await,
            Err(error) => place.give_up(error.to_string()),
        }
    }
}

impl Place {
    async fn run<I: Io>(self, shard: Shard, mut io: I) {
        if let Err(error) = io.watch(self.streams.fd()) {
            return self.give_up(error.to_string());
        }
        let Self { index, streams, wake, port, shared, standing, ready } = self;
        let mut driver = Driver::new(index, shard, io, streams, wake, port, shared);
        driver.adopt(&standing);
        let _ = ready.send(Ok(()));
        driver.run().await;
    }

    /// Says why there is no such shard.
    fn give_up(self, reason: String) {
        let _ = self.ready.send(Err(reason));
    }
}

/// Reports a shard's end, unless it was asked to end.
struct Watch {
    index: u16,
    shared: Shared,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let first = !self.shared.stop.load(Ordering::Acquire)
            && self.shared.failed.fail(format!("shard {} ended by a bug", self.index));
        if first {
            (self.shared.events)(Message::Event(Event::Reset));
        }
    }
}

/// Time since the Unix epoch, by the system's clock.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn shared(
    config: &Config,
    mailboxes: Vec<Arc<Mailbox>>,
    desk: Arc<Desk>,
    events: Events,
    failed: Failed,
    lanes: Arc<Lanes>,
) -> Shared {
    let snapshots = Arc::new(Snapshots::new(mailboxes.len()));
    let router = Router::new(mailboxes.clone(), snapshots.clone(), events.clone(), &config.limits);

    Shared {
        mailboxes,
        router: Arc::new(router),
        desk,
        events,
        snapshots,
        failed,
        stop: Arc::default(),
        steering: None,
        lanes,
    }
}

fn wakes(shards: u16) -> std::io::Result<Vec<Arc<Wake>>> {
    (0..shards).map(|_| Wake::new().map(Arc::new)).collect()
}

fn executor_error<T: std::fmt::Debug>(shard: u16, error: &glommio::GlommioError<T>) -> StartError {
    StartError::Executor { shard, reason: error.to_string() }
}

/// The CPUs that this process may use.
fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let allowed: Vec<usize> =
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect();

    if allowed.is_empty() { vec![0] } else { allowed }
}

fn raise_memory_lock() -> Result<(), StartError> {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) else { return Ok(()) };
    if soft >= MEMORY_LOCK_BYTES {
        return Ok(());
    }
    if setrlimit(Resource::RLIMIT_MEMLOCK, hard.max(MEMORY_LOCK_BYTES), hard.max(MEMORY_LOCK_BYTES))
        .is_err()
    {
        return Err(StartError::MemoryLock(soft));
    }

    Ok(())
}
