//! The data path, both ways.

use super::client::{Client, channel_data, data_of};
use super::world::{World, peer, peer_v6};
use relay_shard::DropReason;

#[test]
fn data_goes_both_ways_in_indications() {
    let (mut world, mut client) = World::with_allocation();
    assert_eq!(world.permit(&mut client, peer(1)).code(), 0);

    let sending = client.send(peer(1), b"ping");
    world.client_sends(&client, &sending);
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"ping"]);

    world.peer_sends(client.relayed, peer(1), b"pong");
    let received = world.client_got(&client);
    assert_eq!(received.len(), 1);
    assert_eq!(data_of(&received[0]), (peer(1), b"pong".to_vec()));
}

#[test]
fn data_goes_both_ways_on_a_channel() {
    let (mut world, mut client) = World::with_allocation();
    assert_eq!(world.bind(&mut client, 0x4001, peer(1)).code(), 0);

    world.client_sends(&client, &channel_data(0x4001, b"ping"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"ping"]);

    world.peer_sends(client.relayed, peer(1), b"pong");
    assert_eq!(world.client_got(&client), [channel_data(0x4001, b"pong")]);
}

#[test]
fn a_peer_without_a_permission_is_not_heard() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    world.peer_sends(client.relayed, peer(2), b"x");

    assert!(world.client_got(&client).is_empty());
    assert_eq!(world.drops(DropReason::NoPermission), 1);
}

#[test]
fn a_permission_is_for_every_port_of_an_address() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    let mut other = peer(1);
    other.set_port(1);
    world.peer_sends(client.relayed, other, b"x");

    assert_eq!(data_of(&world.client_got(&client)[0]), (other, b"x".to_vec()));
}

#[test]
fn empty_datagrams_are_relayed() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    world.permit(&mut client, peer(2));

    world.client_sends(&client, &channel_data(0x4001, b""));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b""]);
    let sending = client.send(peer(2), b"");
    world.client_sends(&client, &sending);
    assert_eq!(world.peer_got(client.relayed, peer(2)), [b""]);
    world.peer_sends(client.relayed, peer(1), b"");
    world.peer_sends(client.relayed, peer(2), b"");
    let received = world.client_got(&client);
    assert_eq!(received[0], channel_data(0x4001, b""));
    assert_eq!(data_of(&received[1]), (peer(2), Vec::new()));
}

#[test]
fn channel_data_on_a_stream_is_padded() {
    let mut world = World::new();
    let mut client = Client::tcp(1);
    world.allocate(&mut client);
    world.bind(&mut client, 0x4001, peer(1));
    world.peer_sends(client.relayed, peer(1), b"abcde");
    let mut padded = channel_data(0x4001, b"abcde");
    padded.extend([0; 3]);

    assert_eq!(world.client_got(&client), [padded.clone()]);
    world.client_sends(&client, &padded);
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"abcde"]);
}

#[test]
fn what_is_too_long_for_a_message_is_dropped() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    world.peer_sends(client.relayed, peer(1), &[0; 65_507]);
    assert!(world.client_got(&client).is_empty());
    world.bind(&mut client, 0x4001, peer(1));
    world.peer_sends(client.relayed, peer(1), &[0; 65_507]);

    assert!(world.client_got(&client).is_empty());
    assert_eq!(world.drops(DropReason::TooLong), 2);
}

#[test]
fn dont_fragment_is_passed_on() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    let sending = client.indication(|writer| {
        writer.xor_peer_address(peer(1)).data(b"x").dont_fragment();
    });
    world.client_sends(&client, &sending);

    let sent = world.sent.pop().expect("a packet");
    assert!(sent.unfragmented);
    let sending = client.send(peer(1), b"x");
    world.client_sends(&client, &sending);
    assert!(!world.sent.pop().expect("a packet").unfragmented);
}

#[test]
fn data_without_an_allocation_is_dropped_in_silence() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let sending = client.send(peer(1), b"x");
    world.client_sends(&client, &sending);
    world.client_sends(&client, &channel_data(0x4001, b"x"));

    assert!(world.sent.is_empty());
    assert_eq!(world.drops(DropReason::NoAllocation), 2);
}

#[test]
fn indications_that_make_no_sense_are_dropped_in_silence() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    let senseless = [
        client.indication(|writer| {
            writer.data(b"x");
        }),
        client.indication(|writer| {
            writer.xor_peer_address(peer(1));
        }),
        client.indication(|writer| {
            writer.xor_peer_address(peer(1)).data(b"x").attribute(0x7777, b"");
        }),
        client.indication(|writer| {
            writer.attribute(0x0012, b"??").data(b"x");
        }),
    ];
    for bytes in senseless {
        world.client_sends(&client, &bytes);
    }
    assert_eq!(world.drops(DropReason::Malformed), 4);

    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.drops(DropReason::NoChannel), 1);
    world.client_sends(&client, &[0x40, 1, 0, 9, b'x']);
    assert_eq!(world.drops(DropReason::Malformed), 5);
    let sending = client.send(peer_v6(1), b"x");
    world.client_sends(&client, &sending);
    assert_eq!(world.drops(DropReason::NoPermission), 1);
    assert!(world.sent.is_empty());
}

#[test]
fn a_bucket_bounds_each_direction_alone() {
    let mut world = World::with(1, |config| config.turn.bandwidth_bps = Some(80_000));
    let mut client = Client::new(1);
    world.allocate(&mut client);
    world.bind(&mut client, 0x4001, peer(1));
    for _ in 0..20 {
        world.client_sends(&client, &channel_data(0x4001, &[0; 1_000]));
        world.peer_sends(client.relayed, peer(1), &[0; 1_000]);
    }

    assert_eq!(world.peer_got(client.relayed, peer(1)).len(), 10);
    assert_eq!(world.client_got(&client).len(), 10);
    assert_eq!(world.drops(DropReason::Bandwidth), 20);
    world.sleep(1);
    world.client_sends(&client, &channel_data(0x4001, &[0; 1_000]));
    assert_eq!(world.peer_got(client.relayed, peer(1)).len(), 1);
}

#[test]
fn packets_are_counted() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    world.client_sends(&client, &channel_data(0x4001, b"12345"));
    world.peer_sends(client.relayed, peer(1), b"123");
    world.peer_sends(client.relayed, peer(1), b"123");

    let counters = world.counters();
    assert_eq!((counters.sent, counters.sent_bytes), (1, 5));
    assert_eq!((counters.received, counters.received_bytes), (2, 6));
    let listed = world.shards[0].allocations(world.now, None);
    assert_eq!((listed[0].sent, listed[0].received), ((1, 5), (2, 6)));
}
