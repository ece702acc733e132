//! Which of a group's sockets gets a datagram: real sockets on a namespace's loopback.

mod lab;

use ebpf_loader::{Flow, Kind, Mode, Offload, Steering};
use lab::{Lab, Namespace, TO_CLIENT, address, options};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, sockopt};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

const SHARDS: usize = 3;

/// Longest wait for a datagram that is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sockets of all shards at one address.
fn group(address: SocketAddr) -> Vec<UdpSocket> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let open = |_| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket: OwnedFd =
            socket::socket(family, SockType::Datagram, flags, None).expect("a socket");
        socket::setsockopt(&socket, sockopt::ReusePort, &true).expect("a shared port");
        socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address)).expect("its address");
        let socket = UdpSocket::from(socket);
        socket.set_nonblocking(true).expect("no waiting");
        socket
    };

    (0..SHARDS).map(open).collect()
}

/// A Binding request whose USERNAME is this, behind another attribute.
fn check(username: &str) -> Vec<u8> {
    let mut attributes = vec![0, 0x24, 0, 4, 1, 2, 3, 4, 0, 6, 0, username.len() as u8];
    attributes.extend(username.as_bytes());
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    let mut message = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    message.extend([7; 12]);
    message.extend(attributes);

    message
}

/// The shard whose socket gets what the client sends.
fn receiver(client: &UdpSocket, sockets: &[UdpSocket], datagram: &[u8]) -> usize {
    let server = sockets[0].local_addr().expect("bound");
    client.send_to(datagram, server).expect("sent");
    let until = std::time::Instant::now() + PATIENCE;
    let mut buffer = [0; 2_000];
    loop {
        for (shard, socket) in sockets.iter().enumerate() {
            match socket.recv_from(&mut buffer) {
                Ok((len, _)) => {
                    assert_eq!(&buffer[..len], datagram);
                    return shard;
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(std::time::Instant::now() < until, "nobody got it");
    }
}

fn steers(server: &str, other: &str) {
    let (server, other): (SocketAddr, SocketAddr) =
        (server.parse().expect("an address"), other.parse().expect("an address"));
    let (sockets, others) = (group(server), group(other));
    let of = |sockets: &'static [UdpSocket]| sockets.iter().map(|each| each.as_fd()).collect();
    let (sockets, others): (&'static [UdpSocket], &'static [UdpSocket]) =
        (sockets.leak(), others.leak());
    let groups = [(server, of(sockets)), (other, of(others))];
    let mut steering = Steering::attach(&groups, 10).expect("root attaches");
    let client = UdpSocket::bind((server.ip(), 0)).expect("a client");
    let from = client.local_addr().expect("bound");
    let send = |datagram: &[u8]| receiver(&client, sockets, datagram);

    let media = Flow { remote: from, local: server, kind: Kind::Media };
    let turn = Flow { kind: Kind::Turn, ..media };
    let (channel_data, refresh) = ([0x40; 30], [0, 4, 0, 0, 0x21, 0x12, 0xa4, 0x42]);

    let by_hash = send(&[0x80; 30]);
    for (shard, digit) in ["0", "1", "2"].into_iter().enumerate() {
        assert_eq!(send(&check(&format!("0{digit}abcdefgh:them"))), shard, "an ICE check");
        assert_eq!(receiver(&client, others, &check(&format!("0{digit}abcdefgh:t"))), shard);
        let other = (shard + 1) % SHARDS;
        steering.bind(&media, shard as u16).expect("room");
        steering.bind(&turn, other as u16).expect("room");
        assert_eq!(send(&[0x80; 30]), shard, "a bound flow");
        assert_eq!(send(&[22; 30]), shard, "DTLS is media");
        assert_eq!(send(&channel_data), other, "TURN's is another one");
        assert_eq!(send(&refresh), other, "to which requests belong");
        assert_eq!(send(&check("00abcdefgh:them")), 0, "a check is stronger than a flow");
        steering.unbind(&media);
        assert_eq!(send(&[0x80; 30]), by_hash);
        steering.unbind(&turn);
        assert_eq!(send(&channel_data), by_hash);
    }
    let nobodys = ["07abcdefgh:them", "zzabcdefgh:them", "01abcdefghi:them", "01:them", "0"];
    for username in nobodys {
        assert_eq!(send(&check(username)), by_hash, "{username}");
    }
    assert_eq!(send(&check("01abcdefgh:them")[..30]), by_hash, "half a check");
    assert_eq!(send(&[]), by_hash, "nothing at all");
    let choices: BTreeMap<_, _> = steering.choices().expect("counters").into_iter().collect();
    let expected = [("check", 9), ("flow", 12), ("hash", 13), ("missing", 1)];
    assert_eq!(choices, BTreeMap::from(expected));
}

#[test]
fn datagrams_come_to_the_shard_that_they_are_for() {
    let namespace = Namespace::new("steering");
    namespace.enter(|| {
        steers("127.0.0.1:3478", "127.0.0.2:3478");
        steers("[::1]:3478", "[::1]:3479");
    });
}

#[test]
fn a_full_map_is_told() {
    let namespace = Namespace::new("full");
    namespace.enter(|| {
        let sockets = group("127.0.0.1:3478".parse().unwrap());
        let local = sockets[0].local_addr().unwrap();
        let borrowed = sockets.iter().map(|each| each.as_fd()).collect();
        let mut steering = Steering::attach(&[(local, borrowed)], 1).unwrap();
        let flow = |port: u16| Flow {
            remote: SocketAddr::from(([127, 0, 0, 1], port)),
            local,
            kind: Kind::Media,
        };
        steering.bind(&flow(1), 1).unwrap();
        steering.bind(&flow(1), 2).expect("the same flow");
        let full = steering.bind(&flow(2), 1).unwrap_err();
        assert!(matches!(full, ebpf_loader::BindError::Full), "{full}");
    });
}

/// The CPU that has handled a socket's last datagram.
fn cpu_of(socket: &UdpSocket) -> u32 {
    let (mut cpu, mut len) = (0_u32, 4);
    // SAFETY: a live socket, and room for the number that the option is.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_INCOMING_CPU,
            (&raw mut cpu).cast(),
            &raw mut len,
        )
    };
    assert_eq!(result, 0, "SO_INCOMING_CPU");

    cpu
}

fn places(mode: Mode) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS) as u32;
    let lab = Lab::new();
    let _far = lab.far_ends(mode);
    lab.relay.enter(|| {
        let mut offload = Offload::attach(&options(&[TO_CLIENT], mode)).expect("root");
        let placed: Vec<u32> = (0..cpus).collect();
        let server = address(true, 1, 1, 3_478);
        let socket = UdpSocket::bind(server).expect("the server's address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let from = address(true, 1, 2, 5_000);
        // The kernel notes the CPU for connected sockets only.
        socket.connect(from).expect("an address");
        let client = lab.client.enter(|| UdpSocket::bind(from).expect("the client's address"));
        let send = |datagram: &[u8]| {
            client.send_to(datagram, server).expect("sent");
            let mut buffer = [0; 2_000];
            let len = socket.recv(&mut buffer).expect("received");
            assert_eq!(&buffer[..len], datagram);
            cpu_of(&socket)
        };
        let media = Flow { remote: from, local: server, kind: Kind::Media };
        let turn = Flow { kind: Kind::Turn, ..media };
        send(&[0x80; 30]);
        offload.place_shards(&placed).expect("CPUs that are there");
        for _ in 0..5 {
            for (shard, cpu) in placed.iter().enumerate() {
                assert_eq!(send(&check(&format!("0{shard}abcdefgh:them"))), *cpu, "an ICE check");
                offload.steer(&media, shard as u16).expect("room");
                assert_eq!(send(&[0x80; 30]), *cpu, "a flow");
                offload.unsteer(&media);
                offload.steer(&turn, shard as u16).expect("room");
                assert_eq!(send(&[0x40; 30]), *cpu, "ChannelData that is not relayed here");
                offload.unsteer(&turn);
            }
        }
        send(&[0x80; 30]);
        send(&check("0vabcdefgh:them"));
        let choices: BTreeMap<_, _> = offload.choices().expect("counters").into_iter().collect();
        let each = u64::from(cpus) * 5;
        assert_eq!((choices["check"], choices["flow"]), (each, 2 * each));
        assert_eq!((choices["hash"], choices["missing"]), (1, 1));
        assert!(offload.place_shards(&[9_999]).is_err(), "no such CPU");
    });
}

#[test]
fn datagrams_come_to_the_cpu_of_their_shard_by_the_driver() {
    places(Mode::Driver);
}

#[test]
fn datagrams_come_to_the_cpu_of_their_shard_by_the_generic_way() {
    places(Mode::Generic);
}
