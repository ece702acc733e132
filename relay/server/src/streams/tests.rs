//! Connections in virtual time, without a shard.

use super::connection::StreamKind;
use super::*;
use crate::TurnSettings;
use crate::addresses::Listen;
use relay_shard::{DropReason, Outbox};
use relay_wire::stream::Framing;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// A request without attributes.
const REQUEST: [u8; 20] = *b"\0\x01\0\0\x21\x12\xa4\x42transaction!";

/// How long a test waits for the kernel.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two shards' streams, of which the first one's listeners are connected to.
struct World {
    shards: [Streams; 2],
    now: Instant,
    tcp: SocketAddr,
    tls: SocketAddr,
    out: Outbox,
    used: bool,
    _directory: Directory,
}

struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A message and where it came from.
type Received = (Path, Vec<u8>);

impl World {
    fn new() -> Self {
        let name = format!("millrace-streams-{:x}", rand::random::<u64>());
        let directory = Directory(std::env::temp_dir().join(name));
        let any = Listen { address: "127.0.0.1:0".parse().unwrap(), found: false };
        let certificates =
            Certificates::load(&TurnSettings::default(), &[any.address], &directory.0).unwrap();
        let config = certificates.config().unwrap();
        let mut addresses = Vec::new();
        let shards = [0, 1].map(|_| {
            let mut listeners = [Listeners::default()];
            bind(&mut listeners, any, StreamKind::Tcp).unwrap();
            bind(&mut listeners, any, StreamKind::Tls).unwrap();
            let [listeners] = listeners;
            addresses.push(listeners.locals(StreamKind::Tcp)[0]);
            addresses.push(listeners.locals(StreamKind::Tls)[0]);
            Streams::new(listeners, Some(config.clone()), StreamLimits::default()).unwrap()
        });
        let (tcp, tls) = (addresses[0], addresses[1]);
        let out = Outbox::new(8 << 20, 4_096);

        Self { shards, now: Instant::now(), tcp, tls, out, used: false, _directory: directory }
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.tcp).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();

        client
    }

    fn tls_client(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let kept = self._directory.0.join("turn-self-signed.pem");
        roots.add(CertificateDer::from_pem_file(kept).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(self.tls).unwrap();
        socket.set_nonblocking(true).unwrap();

        StreamOwned::new(session, socket)
    }

    /// One turn of a shard: what it received.
    fn turn(&mut self, shard: usize) -> Vec<Received> {
        let used = self.used;
        self.shards[shard].turn(self.now, true, |_| used);
        let mut received = Vec::new();
        while let Some(packet) = self.shards[shard].next() {
            received.push((packet.path, packet.payload().to_vec()));
        }
        self.shards[shard].finish(self.now);

        received
    }

    /// The next messages that come to a shard, at least `count`.
    fn receive(&mut self, shard: usize, count: usize) -> Vec<Received> {
        let mut received = Vec::new();
        self.until(|world| {
            received.extend(world.turn(shard));
            received.len() >= count
        });

        received
    }

    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "it does not come");
        }
    }

    /// Sends a message to a client of the first shard.
    fn send(&mut self, path: Path, message: &[u8]) {
        self.out.slot(path, message.len()).unwrap().copy_from_slice(message);
        self.shards[0].send(&self.out);
        self.out.clear();
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.shards[0].counters().closed[reason as usize]
    }

    fn open(&self, shard: usize) -> u64 {
        self.shards[shard].counters().open.iter().sum()
    }
}

fn is_at_end(client: &mut TcpStream) -> bool {
    match client.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(len) => panic!("{len} bytes"),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_says_nothing_for_ten_seconds_is_sent_away() {
    let mut world = World::new();
    let mut silent = world.client();
    let mut begins = world.client();
    let mut encrypts = TcpStream::connect(world.tls).unwrap();
    begins.write_all(&REQUEST[..7]).unwrap();
    encrypts.write_all(&[22, 3, 1]).unwrap();
    world.until(|world| world.turn(0).is_empty() && world.open(0) == 3);

    world.sleep(CHECK_EVERY - Duration::from_millis(1));
    world.turn(0);
    assert_eq!(world.open(0), 3);
    world.sleep(Duration::from_millis(1));
    world.turn(0);

    assert_eq!((world.open(0), world.closed(CloseReason::Silent)), (0, 3));
    assert!(is_at_end(&mut silent) && is_at_end(&mut begins) && is_at_end(&mut encrypts));
    assert_eq!(world.shards[0].gone().count(), 0, "the shard knew none of them");
}

#[test]
fn a_connection_stays_while_it_is_used_and_half_a_minute_after() {
    let mut world = World::new();
    let mut client = world.client();
    client.write_all(&REQUEST).unwrap();
    let path = world.receive(0, 1)[0].0;

    world.used = true;
    for _ in 0..100 {
        world.sleep(CHECK_EVERY);
        world.turn(0);
    }
    world.used = false;
    for _ in 0..3 {
        world.sleep(CHECK_EVERY);
        world.turn(0);
        assert_eq!(world.open(0), 1);
    }
    world.sleep(CHECK_EVERY);
    world.turn(0);
    assert!(is_at_end(&mut client));
    assert_eq!(world.closed(CloseReason::Unused), 1);
    assert_eq!(world.shards[0].gone().collect::<Vec<_>>(), [path]);
}

#[test]
fn who_is_hung_up_on_gets_what_was_sent_before() {
    let mut world = World::new();
    let mut client = world.client();
    client.write_all(&REQUEST).unwrap();
    let path = world.receive(0, 1)[0].0;

    world.send(path, b"\x40\x00\x00\x04last");
    world.shards[0].hang_up(&path);
    assert!(world.shards[0].is_ending());
    world.shards[0].finish(world.now);
    let mut last = Vec::new();
    client.read_to_end(&mut last).unwrap();
    assert_eq!(last, b"\x40\x00\x00\x04last");
    assert_eq!(world.shards[0].gone().collect::<Vec<_>>(), [path]);

    world.send(path, b"more");
    assert_eq!(world.shards[0].counters().drops.get(DropReason::StreamGone), 1);
    drop(client);
    world.until(|world| world.turn(0).is_empty() && world.open(0) == 0);
    assert_eq!(world.closed(CloseReason::HungUp), 1);
    assert_eq!(world.shards[0].gone().count(), 0);
}

#[test]
fn who_does_not_go_when_hung_up_on_is_forgotten() {
    let mut world = World::new();
    let mut client = world.client();
    client.write_all(&REQUEST).unwrap();
    let path = world.receive(0, 1)[0].0;
    world.shards[0].hang_up(&path);
    world.turn(0);

    // What it says no longer matters.
    client.write_all(&REQUEST).unwrap();
    for _ in 0..10 {
        assert_eq!(world.turn(0), []);
    }
    assert_eq!(world.open(0), 1);
    world.sleep(CLOSE_TIMEOUT);
    world.turn(0);
    assert_eq!(world.open(0), 0);
}

#[test]
fn one_who_talks_much_does_not_keep_others_waiting() {
    let mut world = World::new();
    let (mut loud, mut quiet) = (world.client(), world.client());
    loud.write_all(&REQUEST.repeat(1_000)).unwrap();
    quiet.write_all(&REQUEST).unwrap();
    let (loud, quiet) = (loud.local_addr().unwrap(), quiet.local_addr().unwrap());

    let received = world.receive(0, 1_001);
    let place = received.iter().position(|(path, _)| path.remote == quiet).unwrap();
    assert!(place <= 128, "after {place} messages of another");
    assert_eq!(received.iter().filter(|(path, _)| path.remote == loud).count(), 1_000);
}

#[test]
fn only_a_known_client_may_send_long_messages() {
    let mut world = World::new();
    let mut client = world.client();
    let mut long = b"\x40\x01\xff\xff".to_vec();
    long.resize(65_540, 7);
    client.write_all(&REQUEST).unwrap();
    world.receive(0, 1);
    world.used = true;
    world.sleep(CHECK_EVERY);
    world.turn(0);
    std::thread::scope(|scope| {
        scope.spawn(|| client.write_all(&long.repeat(3)).unwrap());
        for (_, message) in world.receive(0, 3) {
            assert_eq!(message, long[..65_539]);
        }
    });

    let mut stranger = world.client();
    stranger.write_all(&REQUEST).unwrap();
    stranger.write_all(&long[..5_000]).unwrap();
    world.receive(0, 1);
    world.until(|world| world.turn(0).is_empty() && world.closed(CloseReason::Garbage) == 1);
}

#[test]
fn a_slow_reader_loses_whole_messages_and_gets_the_others_in_order() {
    let mut world = World::new();
    let mut client = world.client();
    let mut first = 20u16.to_be_bytes().to_vec();
    first.extend_from_slice(&REQUEST);
    client.write_all(&first).unwrap();
    let path = world.receive(0, 1)[0].0;
    world.used = true;
    world.sleep(CHECK_EVERY);
    world.turn(0);

    let mut sent = 0u32;
    while world.shards[0].counters().drops.get(DropReason::StreamFull) < 100 {
        let mut message = vec![0; 1_200];
        message[..4].copy_from_slice(&sent.to_be_bytes());
        world.send(path, &message);
        sent += 1;
    }
    client.shutdown(Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        all
    });
    world.until(|world| world.turn(0).is_empty() && world.open(0) == 0);

    let all = reader.join().unwrap();
    let (mut left, mut numbers) = (&all[..], Vec::new());
    while let Some(frame) = Framing::Ice.next(left, 2_000).unwrap() {
        let message = &left[frame.message];
        assert_eq!(message.len(), 1_200);
        numbers.push(u32::from_be_bytes(*message.first_chunk().unwrap()));
        left = &left[frame.consumed..];
    }
    assert!(left.is_empty() && numbers.is_sorted());
    assert_eq!(numbers.len() as u32, sent - 100);
}

#[test]
fn a_connection_moves_with_all_that_was_read_and_not_used() {
    let mut world = World::new();
    let mut client = world.client();
    let mut second = REQUEST;
    second[19] = b'2';
    client.write_all(&[REQUEST, second].concat()).unwrap();
    client.write_all(&REQUEST[..9]).unwrap();

    world.until(|world| {
        world.shards[0].turn(world.now, true, |_| false);
        world.shards[0].next().is_some_and(|packet| packet.payload() == REQUEST)
    });
    let connection = world.shards[0].depart().unwrap();
    assert_eq!((world.open(0), world.shards[0].next().is_none()), (0, true));
    world.shards[1].arrive(world.now, connection);
    let messages: Vec<_> = world.receive(1, 2).into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, [REQUEST, second]);
    client.write_all(&REQUEST[9..]).unwrap();
    let (path, third) = world.receive(1, 1).remove(0);
    assert_eq!(third, REQUEST);

    world.out.slot(path, 8).unwrap().copy_from_slice(b"answered");
    world.shards[1].send(&world.out);
    let mut answer = [0; 8];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answered");
}

#[test]
fn a_connection_that_moves_and_moves_is_closed() {
    let mut world = World::new();
    let mut client = world.client();
    client.write_all(&REQUEST).unwrap();

    let mut at = 0;
    for _ in 0..4 {
        world.until(|world| {
            world.shards[at].turn(world.now, true, |_| false);
            world.shards[at].next().is_some()
        });
        let connection = world.shards[at].depart().unwrap();
        at = 1 - at;
        world.shards[at].arrive(world.now, connection);
    }
    world.shards[at].turn(world.now, true, |_| false);
    assert!(world.shards[at].next().is_some());
    assert!(world.shards[at].depart().is_none());
    assert_eq!(world.closed(CloseReason::Stranded), 1);
    assert!(is_at_end(&mut client));
}

#[test]
fn a_tls_session_moves_too() {
    let mut world = World::new();
    let mut client = world.tls_client();
    let mut moved = false;
    let mut answer = Vec::new();
    let (mut asked, mut answered) = (0, false);
    world.until(|world| {
        if asked < REQUEST.len() {
            asked += client.write(&REQUEST[asked..]).unwrap_or(0);
        }
        let _ = client.flush();
        world.shards[0].turn(world.now, true, |_| false);
        if !moved && world.shards[0].next().is_some() {
            let connection = world.shards[0].depart().unwrap();
            world.shards[1].arrive(world.now, connection);
            moved = true;
        }
        for (path, message) in world.turn(1) {
            assert_eq!(message, REQUEST);
            world.out.slot(path, 8).unwrap().copy_from_slice(b"answered");
            world.shards[1].send(&world.out);
            answered = true;
        }
        let mut buffer = [0; 64];
        let len = client.read(&mut buffer).unwrap_or(0);
        answer.extend_from_slice(&buffer[..len]);
        answer.len() == 8
    });
    assert!(answered && answer == b"answered");
    assert_eq!((world.open(0), world.open(1)), (0, 1));
}

#[test]
fn accepted_sockets_have_the_listeners_options_and_idle_ones_no_buffer() {
    let mut world = World::new();
    let mut client = world.client();
    client.write_all(&REQUEST).unwrap();
    let path = world.receive(0, 1)[0].0;
    world.send(path, b"answered");
    world.turn(0);

    let token = world.shards[0].by_path[&path];
    let connection = world.shards[0].table.get(token).unwrap();
    assert!(connection.rest.capacity() == 0 && connection.output.capacity() == 0);
    let socket = socket2::SockRef::from(&connection.socket);
    assert!(socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_notsent_lowat().unwrap(), 128 << 10);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}
