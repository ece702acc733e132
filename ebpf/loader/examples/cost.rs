//! What relaying a packet costs, by the program and by plain sockets, in the same namespaces:
//! `cargo run --release -p ebpf-loader --example cost` as root. CPU time of the relay's NAPI thread
//! and process together; frames of 1000 bytes of data, as fast as a veth takes them.

#[path = "../tests/lab/mod.rs"]
mod lab;

use ebpf_loader::{Binding, Injector, Mode, Offload};
use lab::{Frame, Lab, TO_CLIENT, TO_PEER, binding, options, payload};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

/// Frames of a round.
const FRAMES: u32 = 300_000;

const ROUNDS: usize = 5;

/// What a round has shown.
struct Figures {
    packets: u64,
    napi_ns: u64,
    process_ns: u64,
}

fn main() {
    let lab = Lab::new();
    let _far = lab.far_ends(Mode::Driver);
    for device in [TO_CLIENT, TO_PEER] {
        // A veth has NAPI only with XDP or with GRO.
        lab.relay.exec(&["ethtool", "-K", device, "gro", "on"]);
        // `ip netns exec` shows the namespace's own /sys.
        lab.relay.exec(&["sh", "-c", &format!("echo 1 > /sys/class/net/{device}/threaded")]);
    }
    let bound = binding(true, true);
    let data = payload(bound.key.channel, &[7; 1_000]);
    let frame = Frame::new(bound.key.client, bound.key.server, &data).bytes();
    let _sink = lab.peer.enter(|| UdpSocket::bind(bound.peer).expect("the peer's address"));
    for _ in 0..ROUNDS {
        let xdp = lab.relay.enter(|| by_program(&lab, &bound, &frame));
        let sockets = lab.relay.enter(|| by_sockets(&lab, &bound, &frame));
        let cost = |figures: &Figures| {
            (figures.napi_ns + figures.process_ns) as f64 / figures.packets as f64
        };
        for (name, figures) in [("program", &xdp), ("sockets", &sockets)] {
            let Figures { packets, napi_ns, process_ns } = figures;
            let (napi, process) = (napi_ns / packets, process_ns / packets);
            println!("{name}: {packets} packets, {napi} ns NAPI + {process} ns process each");
        }
        println!("ratio {:.1}", cost(&sockets) / cost(&xdp));
    }
}

fn inject(lab: &Lab, frame: &[u8]) {
    lab.client.enter(|| {
        let injector = Injector::new("eth0", &[frame.to_vec()]).expect("root");
        injector.send(FRAMES).expect("a driver with XDP");
    });
}

/// Nanoseconds that the NAPI threads of the relay's interfaces have run.
fn napi() -> u64 {
    let tasks = fs::read_dir("/proc").expect("/proc").flatten();
    let ours = tasks.filter(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with(&format!("napi/{TO_CLIENT}-"))
    });

    ours.map(|task| run_time(&task.path().display().to_string())).sum()
}

fn run_time(task: &str) -> u64 {
    let schedstat = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();

    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

fn by_program(lab: &Lab, bound: &Binding, frame: &[u8]) -> Figures {
    let options = options(&[TO_CLIENT, TO_PEER], Mode::Driver);
    let mut offload = Offload::attach(&options).expect("root");
    offload.bind(bound).expect("room");
    let before = napi();
    inject(lab, frame);
    thread::sleep(Duration::from_millis(100));
    let napi_ns = napi() - before;
    let packets = offload.unbind(&bound.key).expect("bound").up.packets;

    Figures { packets, napi_ns, process_ns: 0 }
}

fn by_sockets(lab: &Lab, bound: &Binding, frame: &[u8]) -> Figures {
    let server = UdpSocket::bind(bound.key.server).expect("the server's address");
    let relayed = UdpSocket::bind(bound.relayed).expect("the relayed address");
    server.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let relay = scope.spawn(|| {
            let (mut buffer, mut packets) = ([0; 2_000], 0);
            while !done.load(Ordering::Relaxed) {
                if let Ok((len, _)) = server.recv_from(&mut buffer) {
                    packets += relayed.send_to(&buffer[4..len], bound.peer).is_ok() as u64;
                }
            }
            (packets, run_time("/proc/thread-self"))
        });
        let before = napi();
        inject(lab, frame);
        thread::sleep(Duration::from_millis(100));
        done.store(true, Ordering::Relaxed);
        let (packets, process_ns) = relay.join().expect("the relay's thread");

        Figures { packets, napi_ns: napi() - before, process_ns }
    })
}
