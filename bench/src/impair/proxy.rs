//! The proxy: one address for clients, and towards the server one socket for each of them.

use super::line::Line;
use super::spec::Spec;
use super::told::Told;
use crate::net::sockets::{self, Readiness};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Clients of one proxy; datagrams of others are not answered.
const CLIENTS_MAX: usize = 10_000;
/// How often it looks whether it is to end.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// Token of the clients' socket among those of the server's.
const FRONT: usize = usize::MAX;
/// What happens by chance is the same each time, unless another seed is given.
const SEED: u64 = 1;
const DATAGRAM_MAX: usize = 1 << 16;

/// Stands between clients and a server
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whom datagrams are for
    #[arg(long, value_name = "IP:PORT")]
    server: SocketAddr,
    /// Where clients send them
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// What happens on the way, as loss=1%,burst=3,delay=20ms,jitter=5ms,rate=2mbit; also reorder,
    /// duplicate, flip (shares), queue (a time), only=media; `up:...` and `down:...` apart
    #[arg(long, value_name = "SPEC")]
    impair: Spec,
    /// What happens by chance follows from it
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
}

/// Runs a proxy until its standard input ends; then says as JSON what it did.
pub(crate) fn run(args: &Args) -> Result<()> {
    let proxy = Impaired::listen(args.listen, args.server, args.impair, args.seed)?;
    println!("{}", proxy.address());
    // Nothing that is written there means anything.
    io::stdin().lock().read_to_end(&mut Vec::new()).context("cannot wait for the end of input")?;
    let told = serde_json::to_string(&proxy.stop()?)?;

    writeln!(io::stdout(), "{told}").context("cannot say what was done")
}

/// A proxy that runs; dropped, it ends.
pub(crate) struct Impaired {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Told>>>,
}

impl Impaired {
    /// A proxy on the address that leads to a server.
    pub(crate) fn towards(server: SocketAddr, spec: Spec) -> Result<Self> {
        let own = crate::net::address::towards(server)?;

        Self::listen(SocketAddr::new(own, 0), server, spec, SEED)
    }

    /// A proxy at `listen`.
    fn listen(listen: SocketAddr, server: SocketAddr, spec: Spec, seed: u64) -> Result<Self> {
        if listen.is_ipv4() != server.is_ipv4() {
            bail!("{listen} and {server} are not of one family of addresses");
        }
        let front =
            UdpSocket::bind(listen).with_context(|| format!("cannot listen at {listen}"))?;
        sockets::prepare(&front, false)?;
        let address = front.local_addr()?;
        let readiness = Readiness::new()?;
        readiness.watch(&front, FRONT)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut proxy = Proxy {
            front,
            server,
            spec,
            seed,
            readiness,
            ways: Vec::new(),
            by_client: HashMap::new(),
            buffer: vec![0; DATAGRAM_MAX],
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("impair".into())
            .spawn(move || proxy.run(&stopped))
            .context("cannot start a thread")?;

        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where clients are to send what is for the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and tells what it did.
    pub(crate) fn stop(mut self) -> Result<Told> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("the proxy was ended before")?;
        let Ok(told) = thread.join() else { bail!("the proxy panicked") };

        told.context("the proxy failed")
    }
}

impl Drop for Impaired {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // There is nobody left to tell.
            let _ = thread.join();
        }
    }
}

struct Proxy {
    front: UdpSocket,
    server: SocketAddr,
    spec: Spec,
    seed: u64,
    readiness: Readiness,
    ways: Vec<Way>,
    by_client: HashMap<SocketAddr, usize>,
    buffer: Vec<u8>,
}

/// One client's way to the server and back.
struct Way {
    client: SocketAddr,
    back: UdpSocket,
    up: Line,
    down: Line,
}

impl Proxy {
    /// Carries datagrams until it is to end, or the server is no longer there: the clients' socket
    /// closes with it, so that they are refused as they would be by the server's machine.
    fn run(&mut self, stop: &AtomicBool) -> io::Result<Told> {
        while !stop.load(Ordering::Relaxed) {
            self.wait()?;
            let now = Instant::now();
            let ready: Vec<_> = self.readiness.ready().collect();
            let mut gone = false;
            for token in ready {
                match token {
                    FRONT => self.receive_up(now)?,
                    way => gone |= self.receive_down(now, way)?,
                }
            }
            gone |= self.send(Instant::now());
            if gone {
                break;
            }
        }

        Ok(self.told())
    }

    fn told(&self) -> Told {
        self.ways.iter().map(|way| way.up.told() + way.down.told()).sum()
    }

    fn wait(&mut self) -> io::Result<()> {
        let lines = self.ways.iter().flat_map(|way| [&way.up, &way.down]);
        let next = lines.filter_map(Line::next_timeout).min();
        let time = next.map_or(WAIT_MAX, |at| at.saturating_duration_since(Instant::now()));
        sockets::wait(&mut [sockets::readable(&self.readiness)], time.min(WAIT_MAX))?;

        self.readiness.wait(Duration::ZERO)
    }

    fn receive_up(&mut self, now: Instant) -> io::Result<()> {
        loop {
            match self.front.recv_from(&mut self.buffer) {
                Ok((len, client)) => {
                    if let Some(index) = self.way(client)? {
                        self.ways[index].up.receive(now, &self.buffer[..len]);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // A client that has gone; the others go on.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the server is gone.
    fn receive_down(&mut self, now: Instant, index: usize) -> io::Result<bool> {
        let way = &mut self.ways[index];
        loop {
            match way.back.recv(&mut self.buffer) {
                Ok(len) => way.down.receive(now, &self.buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// The way of a client, made when it is new; `None` when there are too many.
    fn way(&mut self, client: SocketAddr) -> io::Result<Option<usize>> {
        if let Some(index) = self.by_client.get(&client) {
            return Ok(Some(*index));
        }
        let index = self.ways.len();
        if index == CLIENTS_MAX {
            return Ok(None);
        }
        // The server is to see clients at addresses of their own, where these are ours.
        let back = UdpSocket::bind((client.ip(), 0))
            .or_else(|_| UdpSocket::bind((self.front.local_addr()?.ip(), 0)))?;
        sockets::prepare(&back, false)?;
        back.connect(self.server)?;
        self.readiness.watch(&back, index)?;
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(2 * index as u64);
        let up = Line::new(self.spec.up, seed);
        let down = Line::new(self.spec.down, seed.wrapping_add(1));
        self.ways.push(Way { client, back, up, down });
        self.by_client.insert(client, index);

        Ok(Some(index))
    }

    /// Sends what is due; whether the server is gone. What a full buffer or a client that is gone
    /// refuses is lost, as it is on the way.
    fn send(&mut self, now: Instant) -> bool {
        let mut gone = false;
        for way in &mut self.ways {
            while let Some(datagram) = way.up.send(now) {
                let refused = way.back.send(&datagram).map_err(|error| error.kind());
                gone |= refused == Err(ErrorKind::ConnectionRefused);
            }
            while let Some(datagram) = way.down.send(now) {
                let _ = self.front.send_to(&datagram, way.client);
            }
        }

        gone
    }
}
