//! The same requests to a shard and to `turn-server-proto`: the same answers, and the same data.
//!
//! Where the two differ on purpose, `differences.rs` says how: nothing of the kind is asked here.

use super::both::{Add, Both};
use super::client::{channel_data, write};
use super::world::{peer, peer_v6};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use relay_wire::stun::{Class, Family, Method};
use std::net::SocketAddr;
use std::time::Duration;

/// Something that is done to both.
#[derive(Clone, Debug)]
enum Op {
    Allocate { client: usize, family: Option<Family>, dual: bool, lifetime: Option<u32> },
    AllocateNothing { client: usize },
    Refresh { client: usize, lifetime: Option<u32>, family: Option<Family> },
    Permit { client: usize, peers: Vec<SocketAddr> },
    Bind { client: usize, number: u16, peer: Option<SocketAddr> },
    Unknown { client: usize, method: Method },
    Forged { client: usize, method: Method, how: Forgery },
    Send { client: usize, peer: SocketAddr },
    Channel { client: usize, number: u16 },
    FromPeer { client: usize, peer: SocketAddr },
    Sleep(Duration),
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    Password,
    User,
    Nonce,
    NoNonce,
    Bare,
}

impl Both {
    /// An allocation of both families for an hour, with permissions and a channel.
    fn establish(&mut self, client: usize) {
        self.apply(&Op::Allocate { client, family: None, dual: true, lifetime: Some(3_600) });
        self.apply(&Op::Permit { client, peers: vec![peer(1), peer(2)] });
        self.apply(&Op::Bind { client, number: 0x4006, peer: Some(peer_v6(1)) });
    }

    fn apply(&mut self, op: &Op) {
        let [ours, theirs] = match op {
            Op::Allocate { client, family, dual, lifetime } => {
                self.ask(*client, Method::ALLOCATE, &|writer| {
                    writer.requested_transport(17).dont_fragment();
                    family.map(|family| writer.requested_address_family(family).finish());
                    lifetime.map(|lifetime| writer.lifetime(lifetime).finish());
                    if *dual {
                        writer.additional_address_family(Family::V6);
                    }
                })
            }
            Op::AllocateNothing { client } => self.ask(*client, Method::ALLOCATE, &|_| {}),
            Op::Refresh { client, lifetime, family } => {
                self.ask(*client, Method::REFRESH, &|writer| {
                    lifetime.map(|lifetime| writer.lifetime(lifetime).finish());
                    family.map(|family| writer.requested_address_family(family).finish());
                })
            }
            Op::Permit { client, peers } => {
                self.ask(*client, Method::CREATE_PERMISSION, &|writer| {
                    peers.iter().for_each(|peer| {
                        writer.xor_peer_address(*peer);
                    });
                })
            }
            Op::Bind { client, number, peer } => {
                self.ask(*client, Method::CHANNEL_BIND, &|writer| {
                    writer.channel_number(*number);
                    peer.map(|peer| writer.xor_peer_address(peer).finish());
                })
            }
            Op::Unknown { client, method } => self.ask(*client, *method, &|writer| {
                writer.attribute(0x7ffe, b"what");
            }),
            Op::Forged { client, method, how } => self.forge(*client, *method, *how),
            Op::Send { client, peer } => {
                let bytes = self.clients[*client][0].send(*peer, b"to a peer");
                return self.relay_up(*client, &bytes);
            }
            Op::Channel { client, number } => {
                return self.relay_up(*client, &channel_data(*number, b"in a channel"));
            }
            Op::FromPeer { client, peer } => {
                return self.relay_down(*client, *peer, b"from a peer");
            }
            Op::Sleep(duration) => return self.sleep(*duration),
        };
        assert_eq!(ours, theirs, "{op:?}");
    }

    fn forge(&mut self, client: usize, method: Method, how: Forgery) -> [u16; 2] {
        let add: Add<'_> = &|writer| {
            writer.requested_transport(17).lifetime(700);
        };
        let forged = self.clients[client].clone().map(|mut client| {
            match how {
                Forgery::Password => client.password = "a guess".to_owned(),
                Forgery::User => client.user = "nobody".to_owned(),
                Forgery::Nonce => client.nonce = b"a nonce that is none".to_vec(),
                Forgery::NoNonce | Forgery::Bare => {}
            }
            match how {
                Forgery::Bare => client.bare(method, add),
                Forgery::NoNonce => {
                    let key = client.key();
                    write(Class::Request, method, &client.transaction, |writer| {
                        add(writer);
                        writer.username(&client.user).realm(&client.realm).integrity(&key);
                    })
                }
                _ => client.request(method, add),
            }
        });

        self.send_both(client, [&forged[0], &forged[1]], false)
    }
}

const METHODS: [Method; 4] =
    [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];

fn ops() -> impl Strategy<Value = Op> {
    let client = || 0..3_usize;
    let v4 = || (1..4_u8).prop_map(peer);
    let v6 = || (1..4_u16).prop_map(peer_v6);
    let peers = move || prop_oneof![2 => v4(), 1 => v6()];
    let some = || proptest::option::of(prop_oneof![Just(Family::V4), Just(Family::V6)]);
    let lifetime = || select(&[None, Some(0), Some(1), Some(700), Some(3_600), Some(1 << 31)]);
    let lists = prop_oneof![2 => vec(v4(), 0..4), 1 => vec(v6(), 1..3)];
    let forgeries =
        &[Forgery::Password, Forgery::User, Forgery::Nonce, Forgery::NoNonce, Forgery::Bare];
    // A number goes with one peer: of one that is taken, they make a second channel.
    let bindings = (1..4_u16, any::<bool>(), any::<bool>()).prop_map(|(index, v6, other)| {
        let peer = if v6 { peer_v6(index) } else { peer(index as u8) };
        (0x4000 + index * 4 + u16::from(v6) * 2 + u16::from(other), Some(peer))
    });
    // A millisecond more each time: no step is at the very moment when something expires.
    let sleeps = select(&[1, 20, 50, 150, 290, 310, 590, 620, 3_590])
        .prop_map(|seconds| Op::Sleep(Duration::from_millis(seconds * 1_000 + 1)));

    prop_oneof![
        4 => (client(), some(), any::<bool>(), lifetime()).prop_map(
            |(client, family, dual, lifetime)| Op::Allocate { client, family, dual, lifetime }
        ),
        1 => client().prop_map(|client| Op::AllocateNothing { client }),
        3 => (client(), lifetime(), some())
            .prop_map(|(client, lifetime, family)| Op::Refresh { client, lifetime, family }),
        4 => (client(), lists).prop_map(|(client, peers)| Op::Permit { client, peers }),
        5 => (client(), bindings)
            .prop_map(|(client, (number, peer))| Op::Bind { client, number, peer }),
        1 => client().prop_map(|client| Op::Bind { client, number: 0x4001, peer: None }),
        1 => (client(), select(&METHODS[1..]))
            .prop_map(|(client, method)| Op::Unknown { client, method }),
        2 => (client(), select(&METHODS), select(forgeries))
            .prop_map(|(client, method, how)| Op::Forged { client, method, how }),
        4 => (client(), peers()).prop_map(|(client, peer)| Op::Send { client, peer }),
        4 => (client(), 0x4004..0x4010_u16)
            .prop_map(|(client, number)| Op::Channel { client, number }),
        6 => (client(), peers()).prop_map(|(client, peer)| Op::FromPeer { client, peer }),
        4 => sleeps,
    ]
}

proptest! {
    #[test]
    fn both_answer_alike_and_relay_alike(established: bool, ops in vec(ops(), 1..60)) {
        let mut both = Both::new();
        if established {
            (0..3).for_each(|client| both.establish(client));
        }
        ops.iter().for_each(|op| both.apply(op));
    }
}
