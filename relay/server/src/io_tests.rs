//! Both backends over real sockets on loopback, without a shard.

use crate::bind::Patience;
use crate::io::Io;
use crate::mmsg::Mmsg;
use crate::options;
use crate::relayed::Descriptors;
use crate::sockets::Sockets;
use crate::uring::Uring;
use crate::wake::Wake;
use relay_shard::{DropReason, Outbox, Path, Unreachable, Via};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A backend, what it sends, and what is to be done with each kind of it.
struct World {
    io: Box<dyn Io>,
    out: Outbox,
}

fn worlds() -> Vec<World> {
    let sockets = || {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = options::udp(any, false).unwrap();
        socket.bind(&any.into()).unwrap();
        let local = socket.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = Sockets::new(Descriptors::new(5_000));
        sockets.add(socket, local);
        sockets
    };
    let wake = || Arc::new(Wake::new().unwrap());
    let uring = Uring::new(sockets(), wake(), 4_096).map_err(|refused| refused.0).unwrap();
    let mmsg = Mmsg::new(sockets(), wake(), 4_096).unwrap();
    let backends: Vec<Box<dyn Io>> = vec![Box::new(uring), Box::new(mmsg)];

    backends.into_iter().map(|io| World { io, out: Outbox::new(8 << 20, 4_096) }).collect()
}

impl World {
    /// Opens a relayed address on a port that is free.
    fn open(&mut self, ip: &str) -> SocketAddr {
        for _ in 0..100 {
            let free = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
            if self.io.open(free, &Patience::none()).is_ok() {
                return free;
            }
        }
        panic!("no free port");
    }

    fn send(&mut self, path: Path, datagrams: &[&[u8]]) {
        for datagram in datagrams {
            self.out.slot(path, datagram.len()).unwrap().copy_from_slice(datagram);
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.io.flush(&self.out);
        self.out.clear();
    }

    /// Goes round until `count` datagrams came.
    fn receive(&mut self, count: usize) -> Vec<(Path, Vec<u8>)> {
        let (mut got, start) = (Vec::new(), Instant::now());
        while got.len() < count {
            assert!(start.elapsed() < PATIENCE, "{} of {count} datagrams", got.len());
            self.io.wait(Duration::from_millis(10), false);
            while let Some(packet) = self.io.next() {
                got.push((packet.path, packet.payload().to_vec()));
            }
        }

        got
    }

    /// Goes round until an ICMP error came.
    fn error(&mut self) -> Unreachable {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "no error");
            self.io.wait(Duration::from_millis(10), false);
            assert!(self.io.next().is_none());
            if let Some(error) = self.io.next_error() {
                assert_eq!(self.io.next_error(), None);
                return error;
            }
        }
    }
}

fn peer(ip: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();

    (socket, address)
}

fn read(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);

    (buffer, from)
}

#[test]
fn relayed_addresses_send_and_receive_on_their_own_paths() {
    for mut world in worlds() {
        for ip in ["127.0.0.1", "::1"] {
            let (relayed, other) = (world.open(ip), world.open(ip));
            let (peer, address) = peer(ip);
            world.send(Path::peer(relayed, address), &[b"out"]);
            assert_eq!(read(&peer), (b"out".to_vec(), relayed));

            peer.send_to(b"in", relayed).unwrap();
            peer.send_to(b"there", other).unwrap();
            let mut got = world.receive(2);
            got.sort();
            let mut wanted = vec![
                (Path::peer(relayed, address), b"in".to_vec()),
                (Path::peer(other, address), b"there".to_vec()),
            ];
            wanted.sort();
            assert_eq!(got, wanted);
        }
    }
}

#[test]
fn a_burst_leaves_a_relayed_address_as_one_run_and_comes_in_as_one_train() {
    for mut world in worlds() {
        let (from, to) = (world.open("127.0.0.1"), world.open("127.0.0.1"));
        let datagram = [7; 1_200];
        world.send(Path::peer(from, to), &[datagram.as_slice(); 8]);

        assert_eq!(world.receive(8), vec![(Path::peer(to, from), datagram.to_vec()); 8]);
        assert_eq!((world.io.counters().runs_out, world.io.counters().datagrams_out), (1, 8));
        assert_eq!(world.io.counters().trains_in, 1);
    }
}

#[test]
fn messages_for_tcp_connections_are_left_to_others() {
    for mut world in worlds() {
        let relayed = world.open("127.0.0.1");
        let (peer, address) = peer("127.0.0.1");
        world.out.slot(Path::tcp(relayed, address), 3).unwrap().copy_from_slice(b"tcp");
        world.send(Path::peer(relayed, address), &[b"udp"]);

        assert_eq!(read(&peer).0, b"udp");
        assert_eq!(world.io.counters().datagrams_out, 1);
        assert!(DropReason::ALL.iter().all(|reason| world.io.counters().drops.get(*reason) == 0));
    }
}

#[test]
fn an_icmp_error_is_told_and_neither_direction_suffers() {
    for mut world in worlds() {
        for (ip, kind, code) in [("127.0.0.1", 3, 3), ("::1", 1, 4)] {
            let relayed = world.open(ip);
            // Armed, so that the error meets a receive.
            world.io.wait(Duration::ZERO, false);
            let closed = peer(ip).1;
            let (peer, address) = peer(ip);
            world.send(Path::peer(relayed, closed), &[b"nobody there"]);
            let path = Path::peer(relayed, closed);
            assert_eq!(world.error(), Unreachable { path, kind, code, data: 0 });

            peer.send_to(b"in", relayed).unwrap();
            assert_eq!(world.receive(1)[0].1, b"in");

            // The first send gets the error of the one before it.
            let sent = world.io.counters().datagrams_out;
            world.send(Path::peer(relayed, closed), &[b"nobody there"]);
            world.send(Path::peer(relayed, address), &[[1; 500].as_slice(); 3]);
            assert_eq!(world.io.counters().datagrams_out, sent + 4);
            (0..3).for_each(|_| assert_eq!(read(&peer).0, [1; 500]));
            assert_eq!(world.error().path, path);
            peer.send_to(b"again", relayed).unwrap();
            assert_eq!(world.receive(1)[0].1, b"again");
        }
        assert_eq!(world.io.counters().drops.get(DropReason::SendFailed), 0);
    }
}

#[test]
fn what_must_not_be_fragmented_is_sent_whole_or_not_at_all() {
    // With IPv6's headers this is longer than what loopback takes, 65,536 bytes.
    const LONG: usize = 65_500;
    for mut world in worlds() {
        let relayed = world.open("::1");
        let (peer, address) = peer("::1");
        let path = Path::peer(relayed, address);
        for (len, whole) in [(1_000, true), (LONG, true), (LONG, false), (1_000, true)] {
            let slot = match whole {
                true => world.out.slot_unfragmented(path, len),
                false => world.out.slot(path, len),
            };
            slot.unwrap().fill(3);
            world.flush();
        }
        let lengths = [(); 3].map(|()| read(&peer).0.len());
        assert_eq!(lengths, [1_000, LONG, 1_000]);
        assert_eq!(world.io.counters().drops.get(DropReason::WouldFragment), 1);
        assert_eq!(world.io.counters().datagrams_out, 3);

        // What this machine found out itself is no error that a peer sent.
        world.io.wait(Duration::ZERO, false);
        assert_eq!(world.io.next_error(), None);
        peer.send_to(b"in", relayed).unwrap();
        assert_eq!(world.receive(1)[0].1, b"in");
    }
}

#[test]
fn a_closed_address_is_free_again_and_its_place_serves_another() {
    for mut world in worlds() {
        let (peer, address) = peer("127.0.0.1");
        for round in 0..100u32 {
            let relayed = world.open("127.0.0.1");
            // Some are closed before their receive is armed, some with a datagram unread.
            if round % 3 > 0 {
                world.io.wait(Duration::ZERO, false);
            }
            if round % 3 > 1 {
                peer.send_to(b"unread", relayed).unwrap();
            }
            world.io.close(relayed);
            let start = Instant::now();
            while UdpSocket::bind(relayed).is_err() {
                assert!(start.elapsed() < PATIENCE, "{relayed} stays taken");
                world.io.wait(Duration::ZERO, false);
                assert!(world.io.next().is_none());
            }
            let next = world.open("127.0.0.1");
            peer.send_to(&round.to_be_bytes(), next).unwrap();
            let wanted = (Path::peer(next, address), round.to_be_bytes().to_vec());
            assert_eq!(world.receive(1), [wanted]);
            world.io.close(next);
        }
        assert_eq!(world.io.counters().relayed, 0);
    }
}

#[test]
fn a_thousand_addresses_that_all_receive_at_once_lose_nothing() {
    for mut world in worlds() {
        let relayed: Vec<_> = (0..1_000).map(|_| world.open("127.0.0.1")).collect();
        while world.io.next().is_some() {}
        let (peer, address) = peer("127.0.0.1");
        for round in 0..3u8 {
            world.io.wait(Duration::ZERO, false);
            for to in &relayed {
                peer.send_to(&[round], to).unwrap();
            }
            let mut got = world.receive(relayed.len());
            got.sort();
            let mut wanted: Vec<_> =
                relayed.iter().map(|to| (Path::peer(*to, address), vec![round])).collect();
            wanted.sort();
            assert_eq!(got, wanted);
        }
        assert_eq!(world.io.counters().relayed, 1_000);
    }
}

#[test]
fn a_path_that_is_not_ours_is_refused_and_counted() {
    for mut world in worlds() {
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        for via in [Via::Peer, Via::Udp] {
            world.send(Path { via, local: nowhere, remote: nowhere }, &[b"x"]);
        }
        assert_eq!(world.io.counters().drops.get(DropReason::SendFailed), 2);
        assert_eq!(world.io.counters().datagrams_out, 0);
        world.io.close(nowhere);
    }
}

#[test]
fn a_port_that_stays_taken_is_counted_once_however_often_it_is_tried() {
    for mut world in worlds() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Patience::within(Duration::from_millis(100));
        let refused = world.io.open(taken.local_addr().unwrap(), &patience).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(world.io.counters().relayed_in_use, 1);
    }
}
