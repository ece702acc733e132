//! A killed server keeps its webhooks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Place, Service, free_port, get};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn start(place: &Place, http: u16, hook: u16) -> Service {
    let file = place.file(&format!(
        "http.listen = \"127.0.0.1:{http}\"\nhttp.tls_listen = \"\"\n\
         media.listen = [\"127.0.0.1:{}\"]\nmedia.shards = 1\nkeys.key = \"{SECRET}\"\n\
         [webhook]\nurl = \"http://127.0.0.1:{hook}/hook\"\n",
        free_port()
    ));
    let service = place.start(&["serve", "--config", &file], &[]);
    get(http, "/readyz", 200);
    service
}

/// Joins far enough that the room begins.
fn make_room(place: &Place, http: u16) {
    let file = place.directory.join("millrace.toml").display().to_string();
    let mut stream = place.join(http, &["--config", &file]);
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
}

/// Takes one request: its body.
fn receive(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    while !text.ends_with('}') {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    text
}

#[test]
fn an_event_that_was_kept_outlives_a_kill() {
    let place = Place::new();
    let (http, hook) = (free_port(), free_port());
    let mut service = start(&place, http, hook);
    make_room(&place, http);
    while !get(http, "/metrics", 200).contains("millrace_webhook_pending 1") {
        std::thread::yield_now();
    }
    service.signal("KILL");
    service.wait();

    let listener = TcpListener::bind(("127.0.0.1", hook)).unwrap();
    let _service = start(&place, http, hook);
    let request = receive(&listener);
    assert!(request.contains("\"room_started\"") && request.contains("\"demo\""), "{request}");
}

#[test]
fn wrong_settings_are_named() {
    let place = Place::new();
    let refused = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["serve"].into_iter().chain(sets).collect();
        place.refused(&args)
    };
    let line = refused(&["webhook.url=example.org"]);
    assert!(line.contains("webhook.url") && line.contains("is not a URL"), "{line}");
    let line = refused(&["webhook.url=https://example.org/", "webhook.key=nobody"]);
    assert!(line.contains("webhook.key: names no API key"), "{line}");
    let line = refused(&["webhook.key=devkey"]);
    assert!(line.contains("webhook.url is not"), "{line}");
}
