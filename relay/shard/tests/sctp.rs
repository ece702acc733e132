//! A hostile SCTP peer, made by hand, against the data channels of a transport.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::DropReason;
use relay_wire::control::{Answer, Command, DataRole, Fingerprint, Hash, TransportId};
use ring::digest;
use std::collections::BTreeSet;
use std::time::Duration;
use world::checker::{Check, remote};
use world::hello::Hello;
use world::{World, path};

const TRANSPORT: TransportId = TransportId(1);
const OUR_TAG: u32 = 77;
const FIRST_TSN: u32 = 1_000;

/// An SCTP peer over DTLS that does what it likes.
struct Peer {
    world: World,
    dtls: Hello,
    tag: u32,
    tsn: u32,
    /// Data that came, by its TSN.
    data: BTreeSet<u32>,
}

impl Peer {
    fn new() -> Self {
        let mut world = World::new();
        let opened = world.open(1, DataRole::Accept);
        let dtls = Hello::new(world.now, 1150);
        let digest = digest::digest(&digest::SHA256, &dtls.certificate).as_ref().to_vec();
        let mut remote = remote();
        remote.fingerprint = Fingerprint { hash: Hash::Sha256, digest };
        assert_eq!(world.command(Command::Admit { transport: TRANSPORT, remote }), Answer::Done);
        world.check(path(5000), &Check::nominating(&opened));
        world.sent.clear();
        let mut peer = Self { world, dtls, tag: 0, tsn: FIRST_TSN, data: BTreeSet::new() };
        (0..20).for_each(|_| drop(peer.exchange()));
        assert!(peer.dtls.connected);
        peer.associate();

        peer
    }

    /// INIT, INIT ACK, COOKIE ECHO (RFC 9260, section 5.1).
    fn associate(&mut self) {
        let mut init = Vec::new();
        for word in [OUR_TAG, 100_000, 64 << 16 | 64, FIRST_TSN] {
            init.extend(word.to_be_bytes());
        }
        self.send(&chunk(1, 0, &init));
        let answers = self.exchange();
        let (_, body) = answers.iter().find(|(kind, _)| *kind == 2).expect("an INIT ACK");
        self.tag = u32::from_be_bytes(*body.first_chunk().unwrap());
        let mut parameters = &body[16..];
        while let [t0, t1, l0, l1, ..] = *parameters {
            let len = usize::from(u16::from_be_bytes([l0, l1]));
            if u16::from_be_bytes([t0, t1]) == 7 {
                self.send(&chunk(10, 0, &parameters[4..len]));
                self.exchange();
                return;
            }
            parameters = &parameters[len.next_multiple_of(4)..];
        }
        panic!("no cookie");
    }

    fn send(&mut self, chunks: &[u8]) {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88];
        packet.extend(self.tag.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(chunks);
        let sum = crc32c(&packet);
        packet[8..12].copy_from_slice(&sum.to_le_bytes());
        self.dtls.send(&packet);
    }

    /// A whole message on a stream.
    fn message(&mut self, stream: u16, number: u16, protocol: u32, message: &[u8]) -> Vec<u8> {
        let mut body = self.tsn.to_be_bytes().to_vec();
        self.tsn = self.tsn.wrapping_add(1);
        body.extend(stream.to_be_bytes());
        body.extend(number.to_be_bytes());
        body.extend(protocol.to_be_bytes());
        body.extend(message);

        chunk(0, 3, &body)
    }

    fn acknowledge(&mut self) {
        let newest = self.data.last().copied().unwrap_or(0);
        let mut body = newest.to_be_bytes().to_vec();
        body.extend(1_000_000_u32.to_be_bytes());
        body.extend([0; 4]);
        self.send(&chunk(3, 0, &body));
    }

    /// Carries datagrams to and fro; the chunks that came.
    fn exchange(&mut self) -> Vec<(u8, Vec<u8>)> {
        for datagram in std::mem::take(&mut self.dtls.flight) {
            self.world.receive(path(5000), &datagram);
        }
        self.world.sleep(Duration::from_millis(2));
        for (_, datagram) in std::mem::take(&mut self.world.sent) {
            self.dtls.receive(self.world.now, &datagram);
        }
        let mut chunks = Vec::new();
        for packet in std::mem::take(&mut self.dtls.received) {
            let mut rest = &packet[12..];
            while let [kind, _, l0, l1, ..] = *rest {
                let len = usize::from(u16::from_be_bytes([l0, l1]));
                chunks.push((kind, rest[4..len].to_vec()));
                rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            }
        }
        let data = chunks.iter().filter(|(kind, _)| *kind == 0);
        self.data.extend(data.map(|(_, body)| u32::from_be_bytes(*body.first_chunk().unwrap())));

        chunks
    }
}

fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((body.len() as u16 + 4).to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);

    chunk
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut sum: u32, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

#[test]
fn channels_opened_again_and_again_do_not_pile_up_acknowledgements() {
    let mut peer = Peer::new();
    let open = [3, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, b'x'];
    for round in 0..200_u16 {
        let opens: Vec<u8> =
            (0..20).flat_map(|number| peer.message(0, round * 20 + number, 50, &open)).collect();
        peer.send(&opens);
        peer.exchange();
    }
    assert_eq!(peer.world.counters().transports, 1);

    // Now it acknowledges, and gets all that was kept for it.
    for _ in 0..1_000 {
        peer.acknowledge();
        peer.exchange();
    }
    assert!((1..200).contains(&peer.data.len()), "{}", peer.data.len());
}

#[test]
fn crumbs_behind_a_gap_do_not_pile_up() {
    let mut peer = Peer::new();
    peer.message(0, 0, 53, b"lost");
    for round in 0..600_u16 {
        let crumbs: Vec<u8> =
            (0..50).flat_map(|number| peer.message(0, round * 50 + number + 1, 53, b"x")).collect();
        peer.send(&crumbs);
        peer.exchange();
    }

    assert!(peer.world.drops(DropReason::DataRefused) > 500);
}
