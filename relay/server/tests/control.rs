//! The control socket: signalling in another process.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_server::control::{Allocation, ControlServer, ControlSocket, Operations, Selector};
use relay_server::{Events, IoKind, Relay, start};
use relay_wire::control::{
    Answer, Command, Event, Hello, Message, Refusal, Request, Role, RoomId, TurnService, VERSION,
};
use relay_wire::frame::{self, Reader};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use world::{Directory, PATIENCE, config, participant};

struct Served {
    server: ControlServer,
    relay: Relay,
    path: PathBuf,
    events: Events,
    _directory: Directory,
}

/// Has no allocations.
struct Nobody;

impl Operations for Nobody {
    fn allocations(&self, _which: Option<&Selector>) -> Result<Vec<Allocation>, String> {
        Ok(Vec::new())
    }

    fn kick(&self, _which: &Selector) -> Result<u64, String> {
        Ok(0)
    }

    fn drain(&self, _on: bool) -> Result<u64, String> {
        Ok(0)
    }
}

fn served() -> Served {
    let directory = Directory::new();
    let path = directory.0.join("run/relay.sock");
    let socket = ControlSocket::bind(&path).unwrap();
    let config = config(&directory, IoKind::Uring, 2, "127.0.0.1:0");
    let events = socket.events();
    let relay = start(&config, events.clone()).unwrap();
    let server = socket.serve(relay.handle(), Arc::new(Nobody)).unwrap();

    Served { server, relay, path, events, _directory: directory }
}

struct Client {
    stream: UnixStream,
    reader: Reader,
}

impl Client {
    fn new(served: &Served, version: u16) -> Self {
        let stream = UnixStream::connect(&served.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream, reader: Reader::new() };
        client.send(&Hello { version });
        client.send(&Role::Signalling);

        client
    }

    /// A client that has read the greeting.
    fn greeted(served: &Served) -> Self {
        let mut client = Self::new(served, VERSION);
        assert_eq!(client.receive::<Hello>(), Some(Hello { version: VERSION }));
        assert_eq!(client.receive::<Message>(), Some(Message::Event(Event::Reset)));

        client
    }

    fn send<T: serde::Serialize>(&mut self, message: &T) {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).unwrap();
        // A peer that has hung up shows when we read.
        let _ = self.stream.write_all(&bytes);
    }

    /// The next message; `None` when the relay hung up.
    fn receive<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            if let Some(message) = self.reader.next().unwrap() {
                return Some(message);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(len) => self.reader.push(&bytes[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn ask(&mut self, id: u64, room: u64, command: Command) -> Answer {
        self.send(&Request { id, room: RoomId(room), command });
        loop {
            match self.receive().expect("the relay hung up") {
                Message::Answer { id: of, answer } if of == id => return answer,
                Message::Answer { .. } | Message::Event(_) => {}
            }
        }
    }
}

#[test]
fn requests_are_answered_and_the_socket_is_for_its_group_only() {
    let served = served();
    let mode = std::fs::metadata(&served.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let mut client = Client::greeted(&served);
    assert_eq!(client.ask(1, 1, participant(1)), Answer::Done);
    assert!(matches!(client.ask(2, 1, world::open(1)), Answer::Opened(_)));
    assert_eq!(client.ask(3, 2, Command::CloseRoom), Answer::Refused(Refusal::Unknown));

    served.server.stop();
    assert!(!served.path.exists());
    served.relay.stop();
}

#[test]
fn a_newer_client_replaces_the_older_and_finds_no_rooms() {
    let served = served();
    let mut older = Client::greeted(&served);
    assert_eq!(older.ask(1, 1, participant(1)), Answer::Done);

    let mut newer = Client::greeted(&served);
    assert_eq!(newer.ask(1, 1, Command::CloseRoom), Answer::Refused(Refusal::Unknown));
    assert_eq!(older.receive::<Message>(), None);
}

#[test]
fn a_connection_that_does_not_say_hello_disturbs_nobody() {
    let served = served();
    let mut client = Client::greeted(&served);
    assert_eq!(client.ask(1, 1, participant(1)), Answer::Done);

    let probe = UnixStream::connect(&served.path).unwrap();
    drop(probe);
    let mut silent = UnixStream::connect(&served.path).unwrap();
    let mut hello = [0; 5];
    silent.read_exact(&mut hello).unwrap();
    assert_eq!(client.ask(2, 1, Command::CloseRoom), Answer::Done);
}

#[test]
fn another_version_and_garbage_are_hung_up_on() {
    let served = served();
    let mut stranger = Client::new(&served, VERSION + 1);
    assert_eq!(stranger.receive::<Hello>(), Some(Hello { version: VERSION }));
    while stranger.receive::<Message>().is_some() {}

    let mut garbage = Client::greeted(&served);
    garbage.stream.write_all(&[0xff; 64]).unwrap();
    while garbage.receive::<Message>().is_some() {}

    let mut client = Client::greeted(&served);
    assert_eq!(client.ask(1, 1, participant(1)), Answer::Done);
}

#[test]
fn a_client_that_does_not_read_is_hung_up_on_and_the_relay_goes_on() {
    let served = served();
    let mut lazy = Client::greeted(&served);
    lazy.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let request = Request { id: 1, room: RoomId(1), command: Command::CloseRoom };
    while bytes.len() < 60_000 {
        frame::encode(&request, &mut bytes).unwrap();
    }
    while lazy.stream.write_all(&bytes).is_ok() {}

    let mut client = Client::greeted(&served);
    assert_eq!(client.ask(1, 1, participant(1)), Answer::Done);
}

#[test]
fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
    let served = served();
    let taken = ControlSocket::bind(&served.path).err().unwrap().to_string();
    assert!(taken.contains("another relay listens there"), "{taken}");

    let stale = served.path.with_file_name("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(ControlSocket::bind(&stale).is_ok());
}

#[test]
fn every_client_is_told_the_latest_turn_service_and_connected_ones_of_each_change() {
    let served = served();
    let turn = |secret: &str| {
        let urls = vec!["turn:192.0.2.1:3478?transport=udp".to_owned()];
        Message::Event(Event::Turn(TurnService { urls, secret: secret.to_owned() }))
    };
    (served.events)(turn("first"));
    (served.events)(turn("second"));
    let mut client = Client::greeted(&served);
    assert_eq!(client.receive(), Some(turn("second")));
    (served.events)(turn("third"));
    assert_eq!(client.receive(), Some(turn("third")));

    let mut next = Client::greeted(&served);
    assert_eq!(next.receive(), Some(turn("third")));
    assert!(!format!("{:?}", turn("third")).contains("third"), "secrets are not for logs");
}
