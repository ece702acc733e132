//! A network that errs in known ways, and servers that answer in known ways.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Message, Method, Writer};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
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

/// What a proxy does beside its faults.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    /// It ends, and its socket with it, after so many packets.
    pub(crate) broken_after: Option<u64>,
}

/// What a proxy did to packets with data.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
    pub(crate) repeated: u64,
    pub(crate) flipped: u64,
    pub(crate) swapped: u64,
}

impl Told {
    fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            dropped: self.dropped + other.dropped,
            repeated: self.repeated + other.repeated,
            flipped: self.flipped + other.flipped,
            swapped: self.swapped + other.swapped,
        }
    }
}

/// Stands between one client and a server.
pub(crate) struct Proxy {
    /// Where the client sends to.
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: [JoinHandle<Told>; 2],
}

/// One way through a proxy.
struct Way {
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    client: Arc<OnceLock<SocketAddr>>,
    up: bool,
    faults: Faults,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts a proxy.
    pub(crate) fn start(server: SocketAddr, faults: Faults) -> Self {
        let [front, back] = [(); 2].map(|()| Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap()));
        back.connect(server).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            socket2::SockRef::from(&**socket).set_recv_buffer_size(4 << 20).unwrap();
        }
        let address = front.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let client = Arc::new(OnceLock::new());
        let threads = [(true, &front, &back), (false, &back, &front)].map(|(up, from, to)| {
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            let (client, stop) = (Arc::clone(&client), Arc::clone(&stop));
            thread::spawn(move || Way { from, to, client, up, faults, stop }.pass())
        });

        Self { address, stop, threads }
    }

    /// Ends it and tells what it did.
    pub(crate) fn stop(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let [up, down] = self.threads.map(|thread| thread.join().unwrap());

        up.plus(down)
    }
}

impl Way {
    fn pass(self) -> Told {
        let mut told = Told::default();
        let mut held = None;
        let mut buffer = [0; 2_048];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((len, from)) = self.from.recv_from(&mut buffer) else { continue };
            let client = self.client.get_or_init(|| from);
            for packet in err(&buffer[..len], self.faults, &mut told, &mut held) {
                // The other end may be gone, which is what some tests are about.
                let _ = match self.up {
                    true => self.to.send(&packet),
                    false => self.to.send_to(&packet, client),
                };
            }
            if self.faults.broken_after == Some(told.packets) {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        // The one after it, which would have brought it along, was never sent.
        told.dropped += u64::from(held.is_some());

        told
    }
}

/// What becomes of a packet: of ten with data one is lost, one repeated, one changed, one late.
fn err(packet: &[u8], faults: Faults, told: &mut Told, held: &mut Option<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut packets = vec![packet.to_vec()];
    if ChannelHeader::parse(packet).is_none() {
        return packets;
    }
    told.packets += 1;
    if faults.broken_after.is_some() {
        return packets;
    }
    match told.packets % 10 {
        1 => {
            told.dropped += 1;
            packets.clear();
        }
        3 => {
            told.repeated += 1;
            packets.push(packet.to_vec());
        }
        5 => {
            told.flipped += 1;
            // Some bit behind the header, another one each time.
            let bit = 32 + (told.packets as usize * 7) % ((packet.len() - 4) * 8);
            packets[0][bit / 8] ^= 1 << (bit % 8);
        }
        7 => *held = packets.pop(),
        8 => {
            told.swapped += 1;
            packets.extend(held.take());
        }
        _ => {}
    }

    packets
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
