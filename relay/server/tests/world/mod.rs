//! A relay on loopback, and a client that speaks just enough STUN.
#![allow(dead_code)] // Each test file uses its own part.
#![allow(clippy::unwrap_used, unreachable_pub)] // Helpers of tests.

pub mod streams;

use relay_server::{
    Config, DtlsVersions, IoKind, Limits, Relay, SteerSettings, StreamLimits, TurnSettings, start,
};
use relay_wire::control::{
    Answer, Command, DataRole, Fingerprint, Hash, Message, Opened, ParticipantId, ParticipantSpec,
    Remote, Request, RoomId, TransportId,
};
use relay_wire::stun::{Class, IntegrityKey, Message as Stun, Method, Writer};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The client's user name fragment.
const CLIENT_UFRAG: &str = "client";

/// Both backends.
pub const BACKENDS: [IoKind; 2] = [IoKind::Uring, IoKind::Mmsg];

/// A relay on 127.0.0.1, its messages, and its data directory.
pub struct World {
    pub relay: Relay,
    pub messages: Receiver<Message>,
    pub directory: Directory,
}

/// A directory that goes with its owner.
pub struct Directory(pub PathBuf);

/// A number that no other test has.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let mut source = std::fs::File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut source, &mut bytes).unwrap();

    u64::from_ne_bytes(bytes)
}

/// A loopback address that no other test has, with all its ports. Its last byte is 1.
pub fn own_address() -> String {
    let [a, b, ..] = random().to_ne_bytes();

    format!("127.{}.{b}.1:0", 1 + a % 254)
}

impl Directory {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("millrace-{:x}", random()));
        std::fs::create_dir(&path).unwrap();

        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn config(directory: &Directory, io: IoKind, shards: u16, listen: &str) -> Config {
    Config {
        listen: vec![listen.parse().unwrap()],
        advertise: Vec::new(),
        development: true,
        io,
        shards: Some(shards),
        dtls: DtlsVersions::Auto,
        data_directory: directory.0.clone(),
        recording_directory: directory.0.join("recordings"),
        limits: Limits::default(),
        turn: TurnSettings::default(),
        streams: StreamLimits::default(),
        xdp: None,
        steer: SteerSettings::default(),
    }
}

impl World {
    pub fn new(io: IoKind, shards: u16) -> Self {
        Self::listening(io, shards, "127.0.0.1:0")
    }

    pub fn listening(io: IoKind, shards: u16, listen: &str) -> Self {
        Self::with(io, shards, listen, |_| {})
    }

    pub fn with(io: IoKind, shards: u16, listen: &str, change: impl FnOnce(&mut Config)) -> Self {
        let directory = Directory::new();
        let mut config = config(&directory, io, shards, listen);
        change(&mut config);

        Self::start(&config, directory)
    }

    pub fn start(config: &Config, directory: Directory) -> Self {
        let (sender, messages) = channel();
        let events = Arc::new(move |message| drop(sender.send(message)));
        let relay = start(config, events).unwrap();

        Self { relay, messages, directory }
    }

    pub fn address(&self) -> SocketAddr {
        self.relay.listen()[0]
    }

    /// Makes a request and waits for its answer.
    pub fn ask(&self, id: u64, room: u64, command: Command) -> Answer {
        self.relay.handle().request(Request { id, room: RoomId(room), command });
        loop {
            match self.messages.recv_timeout(PATIENCE).expect("an answer") {
                Message::Answer { id: of, answer } if of == id => return answer,
                _ => {}
            }
        }
    }

    /// Makes room `number` with one participant and one transport, admitted.
    pub fn admitted(&self, number: u64) -> Opened {
        assert_eq!(self.ask(1, number, participant(number)), Answer::Done);
        let Answer::Opened(opened) = self.ask(2, number, open(number)) else {
            panic!("the transport was not opened");
        };
        let remote = Remote {
            ufrag: CLIENT_UFRAG.into(),
            pwd: "client's-own-password-1".replace(['\'', '-'], "x"),
            fingerprint: Fingerprint { hash: Hash::Sha256, digest: vec![7; 32] },
        };
        let admit = Command::Admit { transport: TransportId(number), remote };
        assert_eq!(self.ask(3, number, admit), Answer::Done);

        opened
    }

    /// The value of a metric, summed over the series whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        let registry = prometheus::Registry::new();
        registry.register(Box::new(self.relay.collector())).unwrap();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let values = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());

        values.sum::<f64>() as u64
    }

    /// Waits until a metric has at least this value; it is published some times a second.
    pub fn await_metric(&self, name: &str, labels: &str, least: u64) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.metric(name, labels) < least {
            assert!(std::time::Instant::now() < deadline, "{name}{{{labels}}} never was {least}");
            std::thread::yield_now();
        }
    }
}

pub fn participant(number: u64) -> Command {
    Command::Participant(ParticipantSpec {
        participant: ParticipantId(number),
        identity: format!("participant {number}"),
        stamp: Vec::new(),
        can_publish_data: true,
        can_subscribe: true,
    })
}

pub fn open(number: u64) -> Command {
    Command::Open {
        participant: ParticipantId(number),
        transport: TransportId(number),
        data: DataRole::Accept,
    }
}

pub fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();

    client
}

/// Sends an ICE check (RFC 8445, section 7.2.2) and returns the address that the response tells.
pub fn check(client: &UdpSocket, to: SocketAddr, opened: &Opened) -> Option<SocketAddr> {
    client.send_to(&request(opened), to).unwrap();
    let mut buffer = [0; 512];
    let len = client.recv(&mut buffer).ok()?;

    answer(&buffer[..len], opened)
}

/// An ICE check.
pub fn request(opened: &Opened) -> Vec<u8> {
    let key = IntegrityKey::short_term(&opened.pwd);
    let mut buffer = vec![0; 512];
    let id = *b"transaction!";
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &id)
        .username(&format!("{}:{CLIENT_UFRAG}", opened.ufrag))
        .priority(1)
        .ice_controlling(1)
        .use_candidate()
        .integrity(&key)
        .fingerprint()
        .finish()
        .unwrap();
    buffer.truncate(len);

    buffer
}

/// The address that the response to a check tells.
pub fn answer(response: &[u8], opened: &Opened) -> Option<SocketAddr> {
    let response = Stun::parse(response)?;
    let key = IntegrityKey::short_term(&opened.pwd);
    assert!(response.class() == Class::Success && response.verify_integrity(&key));

    response.xor_mapped_address()
}

/// Sends equal datagrams as one train (UDP_SEGMENT).
pub fn send_train(client: &UdpSocket, to: SocketAddr, datagram: &[u8], count: usize) {
    let segment = datagram.len() as i32;
    // SAFETY: the pointer and length are those of a live integer, which is only read.
    let set = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const segment).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    client.send_to(&datagram.repeat(count), to).unwrap();
}
