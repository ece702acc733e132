//! A network that errs in known ways, and servers that answer in known ways.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use relay_wire::stun::{Class, Message, Method, Writer};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// Runs the bench.
pub(crate) fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

/// What it said on stderr.
pub(crate) fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A bare relay; it ends with this value.
pub(crate) struct BareRelay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
}

/// Starts one; it answers soon.
pub(crate) fn bare_relay() -> BareRelay {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(["bare-relay", "--listen", &address.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let relay = BareRelay { address, child };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket.connect(address).unwrap();
    let mut request = [0; 20];
    Writer::begin(&mut request, Class::Request, Method::BINDING, &[1; 12]).finish().unwrap();
    let answers = |_: &u32| socket.send(&request).is_ok() && socket.recv(&mut [0; 100]).is_ok();
    assert!((0..1_000_000).any(|attempt| answers(&attempt)), "the bare relay does not answer");

    relay
}

impl Drop for BareRelay {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl BareRelay {
    /// Waits until it has spent this much processor time on what it relays, then kills it.
    pub(crate) fn die_after(mut self, cpu: Duration) {
        let schedstat = format!("/proc/{}/schedstat", self.child.id());
        let spent = || {
            let text = fs::read_to_string(&schedstat).unwrap();
            Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
        };
        while spent() < cpu {
            assert!(self.child.try_wait().unwrap().is_none(), "the bare relay has ended");
            thread::yield_now();
        }
    }
}

/// The bench's own impairment proxy, in a process of its own.
pub(crate) struct Proxy {
    /// Where the client sends to.
    pub(crate) address: String,
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Proxy {
    /// Starts a proxy that impairs what `spec` says.
    pub(crate) fn start(server: SocketAddr, spec: &str) -> Self {
        let server = server.to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
            .args(["impair", "--server", &server, "--listen", "127.0.0.1:0", "--impair", spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        said.read_line(&mut address).unwrap();

        Self { address: address.trim().to_owned(), child, said }
    }

    /// Ends it; what it did to media.
    pub(crate) fn stop(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut told = String::new();
        self.said.read_to_string(&mut told).unwrap();
        assert!(self.child.wait().unwrap().success());

        serde_json::from_str::<Value>(&told).unwrap()["media"].take()
    }
}

/// A server that challenges everybody and then refuses, always with the same code.
pub(crate) fn strict_server(class: Class, code: u16, reason: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let Some(request) = Message::parse(&buffer[..len]) else { continue };
            let mut bytes = [0; 256];
            let id = request.transaction_id();
            let mut writer = Writer::begin(&mut bytes, class, request.method(), id);
            writer.error_code(code, reason).realm("r").nonce(b"n");
            let len = writer.finish().unwrap();
            socket.send_to(&bytes[..len], from).unwrap();
        }
    });

    address
}
