//! The control socket as operators use it.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_server::control::{
    Allocation, ControlServer, ControlSocket, LineError, Operations, OperatorLine, Selector,
};
use relay_server::{IoKind, Relay, start};
use relay_wire::control::{Event, Hello, Message, Role, VERSION};
use relay_wire::frame::{self, Reader};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use world::{Directory, PATIENCE, config};

/// Has many allocations, and remembers what it was asked.
#[derive(Default)]
struct Many {
    asked: Mutex<Vec<String>>,
    /// Held while `drain` is to take long.
    slow: Mutex<()>,
}

impl Many {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Operations for Many {
    fn allocations(&self, which: Option<&Selector>) -> Result<Vec<Allocation>, String> {
        self.note(format!("list {which:?}"));
        match which {
            Some(Selector::User(name)) if name == "nobody" => Ok(Vec::new()),
            Some(Selector::Address(_)) => Err("a shard does not answer".to_owned()),
            _ => Ok((0..10_000).map(allocation).collect()),
        }
    }

    fn kick(&self, which: &Selector) -> Result<u64, String> {
        self.note(format!("kick {which:?}"));
        Ok(3)
    }

    fn drain(&self, on: bool) -> Result<u64, String> {
        drop(self.slow.lock().unwrap());
        self.note(format!("drain {on}"));
        Ok(7)
    }
}

fn allocation(id: u64) -> Allocation {
    Allocation {
        id,
        user: format!("user-{id}"),
        client: "[2001:db8::1]:5000".parse().unwrap(),
        stream: false,
        relayed: vec!["192.0.2.1:50000".parse().unwrap(); 2],
        permissions: 1,
        channels: 1,
        expires_in_seconds: 600,
        sent_packets: u64::MAX,
        sent_bytes: u64::MAX,
        received_packets: 0,
        received_bytes: 0,
    }
}

struct Served {
    _server: ControlServer,
    _relay: Relay,
    path: PathBuf,
    many: Arc<Many>,
    _directory: Directory,
}

fn served(operators_only: bool) -> Served {
    let directory = Directory::new();
    let path = directory.0.join("relay.sock");
    let socket = ControlSocket::bind(&path).unwrap();
    let relay =
        start(&config(&directory, IoKind::Mmsg, 1, "127.0.0.1:0"), socket.events()).unwrap();
    let many = Arc::new(Many::default());
    let server = if operators_only {
        socket.serve_operators(many.clone())
    } else {
        socket.serve(relay.handle(), many.clone())
    };

    Served { _server: server.unwrap(), _relay: relay, path, many, _directory: directory }
}

fn send<T: serde::Serialize>(stream: &mut UnixStream, message: &T) {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
}

fn receive<T: serde::de::DeserializeOwned>(
    stream: &mut UnixStream,
    reader: &mut Reader,
) -> Option<T> {
    loop {
        if let Some(message) = reader.next().unwrap() {
            return Some(message);
        }
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes) {
            Ok(0) => return None,
            Ok(len) => reader.push(&bytes[..len]),
            Err(error) => panic!("{error}"),
        }
    }
}

fn signalling(served: &Served) -> (UnixStream, Reader) {
    let mut stream = UnixStream::connect(&served.path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = Reader::new();
    send(&mut stream, &Hello { version: VERSION });
    send(&mut stream, &Role::Signalling);
    assert_eq!(receive(&mut stream, &mut reader), Some(Hello { version: VERSION }));

    (stream, reader)
}

#[test]
fn ten_thousand_allocations_are_listed_in_order() {
    let served = served(false);
    let mut line = OperatorLine::connect(&served.path).unwrap();
    let all = line.list(None).unwrap();
    assert_eq!(all.len(), 10_000);
    assert!((0..).zip(&all).all(|(id, found)| *found == allocation(id)));
    assert_eq!(line.list(Some(Selector::User("nobody".to_owned()))).unwrap(), []);
    assert_eq!(line.kick(Selector::Id(9)).unwrap(), 3);
    assert_eq!((line.drain(true).unwrap(), line.drain(false).unwrap()), (7, 7));
    let asked = served.many.asked();
    assert_eq!(asked[2..], ["kick Id(9)", "drain true", "drain false"]);

    let refused = line.list(Some(Selector::Address("192.0.2.9".parse().unwrap())));
    assert_eq!(refused.unwrap_err().to_string(), "a shard does not answer");
}

#[test]
fn an_operator_does_not_displace_signalling_nor_keep_it_waiting() {
    let served = served(false);
    let (mut stream, mut reader) = signalling(&served);
    assert_eq!(receive(&mut stream, &mut reader), Some(Message::Event(Event::Reset)));

    let slow = served.many.slow.lock().unwrap();
    let path = served.path.clone();
    let waits = std::thread::spawn(move || OperatorLine::connect(&path).unwrap().drain(true));
    let request = relay_wire::control::Request {
        id: 5,
        room: relay_wire::control::RoomId(1),
        command: relay_wire::control::Command::CloseRoom,
    };
    send(&mut stream, &request);
    let answered = receive(&mut stream, &mut reader);
    assert!(matches!(answered, Some(Message::Answer { id: 5, .. })), "{answered:?}");
    drop(slow);
    assert_eq!(waits.join().unwrap().unwrap(), 7);
}

#[test]
fn a_fifth_operator_is_hung_up_on_until_one_goes() {
    let served = served(false);
    let mut lines: Vec<OperatorLine> = Vec::new();
    for _ in 0..4 {
        let mut line = OperatorLine::connect(&served.path).unwrap();
        line.kick(Selector::Id(1)).unwrap();
        lines.push(line);
    }
    let mut fifth = OperatorLine::connect(&served.path).unwrap();
    assert!(fifth.kick(Selector::Id(1)).is_err());
    lines.pop();
    let deadline = std::time::Instant::now() + PATIENCE;
    while OperatorLine::connect(&served.path).unwrap().kick(Selector::Id(1)).is_err() {
        assert!(std::time::Instant::now() < deadline, "the place stays taken");
    }
}

#[test]
fn where_signalling_is_in_the_process_only_operators_are_served() {
    let served = served(true);
    let (mut stream, mut reader) = signalling(&served);
    assert_eq!(receive::<Message>(&mut stream, &mut reader), None);
    assert_eq!(OperatorLine::connect(&served.path).unwrap().drain(true).unwrap(), 7);
}

#[test]
fn another_version_is_named() {
    let directory = Directory::new();
    let path = directory.0.join("old.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        send(&mut stream, &Hello { version: VERSION - 1 });
    });
    let error = OperatorLine::connect(&path).err().unwrap();
    assert!(matches!(error, LineError::Version(version) if version == VERSION - 1), "{error}");
    assert!(error.to_string().contains("the relay speaks version"), "{error}");
    old.join().unwrap();
}

#[test]
fn the_file_of_another_relay_is_left_alone() {
    let directory = Directory::new();
    let path = directory.0.join("relay.sock");
    let many = Arc::new(Many::default());
    let first = ControlSocket::bind(&path).unwrap().serve_operators(many.clone()).unwrap();
    assert_eq!(first.path(), path);
    std::fs::remove_file(&path).unwrap();
    let _second = ControlSocket::bind(&path).unwrap().serve_operators(many).unwrap();
    first.stop();
    assert!(OperatorLine::connect(&path).is_ok());
}
