//! TURN of the running binary: operators, reload, and the credentials that rooms get.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::turn::allocate;
use common::{Notified, Place, Service, free_port, get};
use std::io::Read;

/// A `millrace serve` that is up.
struct Served {
    place: Place,
    service: Service,
    notify: Notified,
    http: u16,
    media: u16,
    base: String,
}

impl Served {
    /// With these lines of TURN.
    fn new(turn: &str) -> Self {
        let place = Place::new();
        let notify = Notified::new(&place);
        let (http, media) = (free_port(), free_port());
        let base = format!(
            "[http]\nlisten = \"127.0.0.1:{http}\"\ntls_listen = \"\"\n\
             [media]\nlisten = [\"127.0.0.1:{media}\"]\nshards = 2\n\
             [control]\nsocket = \"control.sock\"\n[turn]\n"
        );
        let file = place.file(&format!("{base}{turn}"));
        let service = place.start(&["serve", "--config", &file], &[notify.environment()]);
        let served = Self { place, service, notify, http, media, base };
        assert_eq!(served.notify.told(), "READY=1");
        get(http, "/readyz", 200);
        served
    }

    /// Runs `millrace turn`; what it prints.
    fn turn(&self, args: &[&str]) -> String {
        let all = [&["turn"], args, &["--set", "control.socket=control.sock"]].concat();
        let output = self.place.run(&all);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Replaces the lines of TURN and waits until they were read.
    fn reload(&self, turn: &str) {
        self.place.file(&format!("{}{turn}", self.base));
        self.notify.reload(&self.service);
    }

    fn list(&self, args: &[&str]) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.turn(&[&["list", "--json"], args].concat())).unwrap()
    }
}

#[test]
fn operators_list_end_and_drain() {
    let served = Served::new("users.ann = \"one\"\nusers.bob = \"two\"\n");
    assert_eq!(served.turn(&["list"]).lines().count(), 1, "the head alone");
    let ann = allocate(served.media, "ann", "one").ok().unwrap();
    let bob = allocate(served.media, "bob", "two").ok().unwrap();
    assert_eq!(allocate(served.media, "bob", "wrong").err(), Some(401));

    let all = served.list(&[]);
    assert_eq!(all.len(), 2, "{all:?}");
    let relayed: Vec<_> = served.list(&["--user", "ann"]);
    assert_eq!(relayed[0]["relayed"][0], ann.relayed.to_string());
    let id = relayed[0]["id"].to_string();
    assert_eq!(served.list(&["--id", &id]), relayed);
    assert_eq!(served.list(&["--address", "127.0.0.1"]).len(), 2);
    assert_eq!(served.list(&["--address", "192.0.2.9"]).len(), 0);
    let table = served.turn(&["list", "--user", "bob"]);
    assert!(table.contains(&bob.relayed.to_string()) && table.contains("9m"), "{table}");

    assert_eq!(served.turn(&["kick", "--id", &id]), "1 allocation ended\n");
    assert_eq!(ann.refresh(), Err(437), "there is none any more");
    assert_eq!(bob.refresh(), Ok(()));
    assert_eq!(served.turn(&["kick", "--user", "ann"]), "0 allocations ended\n");

    let drained = served.turn(&["drain"]);
    assert_eq!(drained, "new allocations are refused; 1 allocation stands\n");
    assert_eq!(allocate(served.media, "ann", "one").err(), Some(508));
    assert_eq!(bob.refresh(), Ok(()), "those that stand go on");
    served.reload("users.ann = \"one\"\nalternate_servers = \"192.0.2.9:3478\"\n");
    assert_eq!(allocate(served.media, "ann", "one").err(), Some(300), "a reload ends no drain");
    served.turn(&["drain", "--off"]);
    assert!(allocate(served.media, "ann", "one").is_ok());
}

#[test]
fn a_reload_changes_who_may_come_and_drops_nobody() {
    let served = Served::new("users.ann = \"one\"\n");
    let ann = allocate(served.media, "ann", "one").ok().unwrap();
    served.reload("users.ann = \"new\"\nusers.bob = \"two\"\n");
    let bob = allocate(served.media, "bob", "two").ok().unwrap();
    assert_eq!(allocate(served.media, "ann", "one").err(), Some(401));
    assert!(allocate(served.media, "ann", "new").is_ok());
    let relayed: Vec<_> = served.list(&[]).iter().map(|a| a["relayed"][0].clone()).collect();
    assert_eq!(relayed.len(), 3);
    for stands in [ann, bob] {
        assert_eq!(stands.refresh(), Ok(()), "by the credentials that made it");
        assert!(relayed.contains(&stands.relayed.to_string().into()), "{relayed:?}");
    }

    served.reload("users.bob = \"two\"\n[turn.quota]\nuser = 1\n");
    assert_eq!(allocate(served.media, "bob", "two").err(), Some(486));
    served.reload("users.bob = \n");
    assert_eq!(allocate(served.media, "bob", "two").err(), Some(486), "a broken file: as before");
}

/// Joins a room on `/rtc`: the first message, as bytes.
fn first_message(place: &Place, http: u16) -> Vec<u8> {
    let mut stream = place.join(http, &[]);
    let mut bytes = Vec::new();
    while !holds_message(&bytes) {
        let mut more = [0; 4096];
        let len = stream.read(&mut more).unwrap();
        assert!(len > 0, "the server hung up: {}", String::from_utf8_lossy(&bytes));
        bytes.extend(&more[..len]);
    }
    bytes
}

/// Whether a whole binary message is there, perhaps behind a ping (RFC 6455, section 5.2).
fn holds_message(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return false };
    let frames = &bytes[head + 4..];
    let ping = [0x89, 0];
    let frame = frames.strip_prefix(&ping).unwrap_or(frames);
    match frame {
        [0x82, 126, l0, l1, message @ ..] => {
            message.len() >= usize::from(u16::from_be_bytes([*l0, *l1]))
        }
        _ => false,
    }
}

/// The texts of a TURN server in a message: first URL, user name, credential. Each is a field of
/// protobuf: a tag, a length of one byte, the text.
fn turn_server(message: &[u8]) -> [&str; 3] {
    let find = |mark: &[u8]| message.windows(mark.len()).position(|window| window == mark);
    let field = |at: usize| {
        let end = at + usize::from(message[at - 1]);
        (std::str::from_utf8(&message[at..end]).unwrap(), end + 2)
    };
    let (url, _) = field(find(b"turn:").expect("a URL"));
    let digits = "1800000000".len();
    let (username, next) = field(find(b":ann").expect("a user name") - digits);

    [url, username, field(next).0]
}

#[test]
fn rooms_hand_out_credentials_that_turn_takes() {
    let served = Served::new("tls_listen = \"127.0.0.1:0\"\nhostname = \"turn.example.org\"\n");
    let message = first_message(&served.place, served.http);
    let [url, username, credential] = turn_server(&message);
    assert_eq!(url, format!("turn:127.0.0.1:{}?transport=tcp", served.media));
    let tls = b"turns:turn.example.org:";
    assert!(message.windows(tls.len()).any(|window| window == tls), "TLS is offered by its name");
    assert!(allocate(served.media, username, credential).is_ok());
    assert_eq!(served.list(&["--user", "ann"]).len(), 1);
    assert_eq!(served.list(&["--user", username]).len(), 1);

    served.reload(
        "secrets = [\"mine\"]\ntls_listen = \"127.0.0.1:0\"\nhostname = \"turn.example.org\"\n",
    );
    assert!(allocate(served.media, username, credential).is_ok(), "made before the reload");
    let message = first_message(&served.place, served.http);
    let [_, username, newer] = turn_server(&message);
    assert_ne!(newer, credential);
    assert!(allocate(served.media, username, newer).is_ok());
}

#[test]
fn a_relay_of_its_own_tells_signalling_of_turn() {
    let place = Place::new();
    let (http, media) = (free_port(), free_port());
    let file = place.file(&format!(
        "[http]\nlisten = \"127.0.0.1:{http}\"\ntls_listen = \"\"\n\
         [media]\nlisten = [\"127.0.0.1:{media}\"]\nshards = 1\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = \"control.sock\"\n"
    ));
    let _relay = place.start(&["relay", "--config", &file], &[]);
    let _signalling = place.start(&["signalling", "--config", &file], &[]);
    get(http, "/readyz", 200);
    let message = first_message(&place, http);
    let [_, username, credential] = turn_server(&message);
    assert!(allocate(media, username, credential).is_ok());

    let list = ["turn", "list", "--config", &file];
    let table = String::from_utf8(place.run(&list).stdout).unwrap();
    assert!(table.contains(username), "{table}");
    get(http, "/readyz", 200);
}
