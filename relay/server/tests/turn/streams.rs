//! TURN over TCP and TLS: the clients' side of the same service.

use super::client::{Client, Got};
use super::world::streams::{Client as Stream, TlsWorld, tls_world_with};
use super::world::{BACKENDS, PATIENCE};
use super::{CHANNEL, await_free, peer_of, read, settings};
use relay_server::{IoKind, Selector};
use std::time::Instant;

fn serve(io: IoKind, shards: u16) -> TlsWorld {
    tls_world_with(io, shards, |config| config.turn = settings())
}

/// One client on TCP and one on TLS.
fn clients(world: &TlsWorld) -> [Client; 2] {
    let tls = world.client(&rustls::version::TLS13, &[b"stun.turn".to_vec()]);

    [Client::connected(Stream::tcp(world.world.address())), Client::connected(tls)]
}

#[test]
fn data_of_any_length_goes_both_ways() {
    for io in BACKENDS {
        let world = serve(io, 2);
        let (peer, address) = peer_of(&world.world);
        for mut client in clients(&world) {
            let relayed = client.allocate();
            client.permit(address).unwrap();
            client.send(address, b"indicated");
            assert_eq!(read(&peer), (b"indicated".to_vec(), relayed), "{io:?}");
            peer.send_to(b"back", relayed).unwrap();
            assert_eq!(client.get(), Got::Data(address, b"back".to_vec()), "{io:?}");

            client.bind(CHANNEL, address).unwrap();
            for len in (1..9).chain([1_200, 1_999]) {
                let data = vec![len as u8; len];
                client.send_channel(CHANNEL, &data);
                assert_eq!(read(&peer), (data.clone(), relayed), "{io:?}");
                peer.send_to(&data, relayed).unwrap();
                assert_eq!(client.get(), Got::Channel(CHANNEL, data), "{io:?}");
            }
        }
    }
}

#[test]
fn trains_of_datagrams_come_as_messages_in_order() {
    for io in BACKENDS {
        let world = serve(io, 1);
        let (peer, address) = peer_of(&world.world);
        for mut client in clients(&world) {
            let relayed = client.allocate();
            client.bind(CHANNEL, address).unwrap();
            for round in 0..20u8 {
                let datagrams: Vec<u8> = vec![round; 1_111];
                super::world::send_train(&peer, relayed, &datagrams, 16);
                for _ in 0..16 {
                    assert_eq!(client.get(), Got::Channel(CHANNEL, datagrams.clone()), "{io:?}");
                }
                (0..16).for_each(|_| client.send_channel(CHANNEL, &datagrams));
                (0..16).for_each(|_| assert_eq!(read(&peer), (datagrams.clone(), relayed)));
            }
        }
    }
}

#[test]
fn a_connection_that_ends_takes_its_allocation_along() {
    for io in BACKENDS {
        let world = serve(io, 2);
        for mut client in clients(&world) {
            let relayed = client.allocate();
            assert_eq!(world.world.relay.handle().allocations(None).len(), 1);
            drop(client);

            await_free(relayed);
            assert_eq!(world.world.relay.handle().allocations(None).len(), 0, "{io:?}");
        }
    }
}

#[test]
fn a_kicked_clients_connection_is_closed() {
    for io in BACKENDS {
        let world = serve(io, 2);
        for mut client in clients(&world) {
            let relayed = client.allocate();
            let who = Selector::Address(client.local().ip());

            assert_eq!(world.world.relay.handle().kick(&who), 1, "{io:?}");
            client.await_end();
            await_free(relayed);
        }
        let closed = "millrace_relay_connections_closed_total";
        world.world.await_metric(closed, "reason=\"hung_up\"", 2);
    }
}

#[test]
fn a_client_that_does_not_read_loses_datagrams_and_no_other_waits_for_it() {
    for io in BACKENDS {
        let world = serve(io, 1);
        let (peer, address) = peer_of(&world.world);
        for mut slow in clients(&world) {
            let full =
                || world.world.metric("millrace_relay_drops_total", "reason=\"stream_full\"");
            let before = full();
            let relayed = slow.allocate();
            slow.bind(CHANNEL, address).unwrap();
            let mut other = Client::new(world.world.address());
            let others = other.allocate();
            other.bind(CHANNEL, address).unwrap();

            let deadline = Instant::now() + PATIENCE;
            while full() == before {
                assert!(Instant::now() < deadline, "{io:?}: nothing is dropped");
                for _ in 0..64 {
                    peer.send_to(&[1; 1_400], relayed).unwrap();
                }
                peer.send_to(b"for the other", others).unwrap();
                assert_eq!(other.get(), Got::Channel(CHANNEL, b"for the other".to_vec()));
            }
            // What is left is whole.
            for _ in 0..100 {
                assert_eq!(slow.get(), Got::Channel(CHANNEL, vec![1; 1_400]), "{io:?}");
            }
        }
    }
}
