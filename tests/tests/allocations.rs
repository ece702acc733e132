//! The packet path allocates nothing once a call is up.

#[path = "allocations/recorded.rs"]
mod recorded;
#[path = "../../relay/wire/tests/scalable/mod.rs"]
mod scalable;
#[path = "allocations/svc.rs"]
mod svc;

use millrace_tests::allocations::{self, Counting};
use millrace_tests::{Network, Source, TurnRelay, Work, World};
use relay_wire::Kind as Protocol;
use relay_wire::control::Kind;
use std::net::SocketAddr;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Three people with cameras and microphones, up for a while; then the work of ten seconds.
fn work_of_ten_seconds(network: Network, protocol: Protocol) -> (World, Work) {
    let mut world = World::new(11, network);
    for identity in ["ann", "bob", "cleo"] {
        world.join(identity);
        world.publish(identity, Source::Microphone);
        world.publish(identity, Source::SimulcastCamera);
    }
    world.run(Duration::from_secs(8));
    world.relay.work.clear();
    world.run(Duration::from_secs(10));
    let work = world.relay.work.get(&protocol).copied().unwrap_or_default();

    (world, work)
}

#[test]
fn the_allocator_counts() {
    let counted = allocations::count(|| {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(64)));
    });

    assert_eq!(counted, 1);
}

#[test]
fn a_forwarded_packet_allocates_nothing() {
    let network = Network { delay: Duration::from_millis(20), ..Default::default() };
    let (mut world, work) = work_of_ten_seconds(network, Protocol::Rtp);

    assert!(work.datagrams > 5_000, "{work:?}");
    assert_eq!(work.allocations, 0, "{work:?}");
    assert!(world.received("bob", "ann", Kind::Video).frames.len() > 400);
}

#[test]
fn a_recorded_packet_allocates_nothing_and_is_in_the_log() {
    let network = Network { loss: 0.01, delay: Duration::from_millis(20), ..Default::default() };
    let mut world = World::new(12, network);
    for identity in ["ann", "bob", "cleo"] {
        world.join(identity);
        world.publish(identity, Source::Microphone);
        world.publish(identity, Source::SimulcastCamera);
    }
    world.run(Duration::from_secs(6));
    world.record();
    world.run(Duration::from_secs(2));
    world.relay.work.clear();
    world.run(Duration::from_secs(10));
    let work = world.relay.work.clone();
    world.stop_recording();

    for protocol in [Protocol::Rtp, Protocol::Rtcp] {
        let work = work.get(&protocol).copied().unwrap_or_default();
        assert!(work.datagrams > 100, "{work:?}");
        assert_eq!(work.allocations, 0, "{protocol:?}: {work:?}");
    }
    let log = world.relay.logs.into_values().next().expect("a log");
    recorded::assert_whole(&log, 3);
}

#[test]
fn loss_and_its_repair_allocate_nothing() {
    let delay = Duration::from_millis(20);
    let network = Network { loss: 0.03, reorder: 13, delay, ..Default::default() };
    let (_, work) = work_of_ten_seconds(network, Protocol::Rtp);

    assert!(work.datagrams > 5_000, "{work:?}");
    assert_eq!(work.allocations, 0, "{work:?}");
}

#[test]
fn control_packets_allocate_nothing() {
    let delay = Duration::from_millis(20);
    let network = Network { loss: 0.03, delay, ..Default::default() };
    let (_, work) = work_of_ten_seconds(network, Protocol::Rtcp);

    assert!(work.datagrams > 100, "{work:?}");
    assert_eq!(work.allocations, 0, "{work:?}");
}

fn peer() -> SocketAddr {
    SocketAddr::from(([9, 9, 9, 9], 9_000))
}

#[test]
fn a_relayed_packet_allocates_nothing() {
    let mut relay = TurnRelay::new();
    let (one, two) = (relay.allocate(5_001), relay.allocate(5_002));
    relay.bind(&one, 0x4001, peer());
    relay.permit(&two, peer());
    relay.bind(&one, 0x4002, two.relayed);
    relay.bind(&two, 0x4003, one.relayed);
    let data = [7; 1_200];
    let mut sent = 0;
    let allocations = allocations::count(|| {
        for _ in 0..1_000 {
            sent += relay.channel_data(&one, 0x4001, &data);
            sent += relay.peer_sends(&one, peer(), &data);
            sent += relay.send(&two, peer(), &data);
            sent += relay.peer_sends(&two, peer(), &data);
            sent += relay.channel_data(&one, 0x4002, &data);
            sent += relay.channel_data(&two, 0x4003, &data);
        }
    });

    assert_eq!(sent, 6_000);
    assert_eq!(allocations, 0);
}

#[test]
fn an_unauthenticated_request_leaves_nothing_behind() {
    let mut relay = TurnRelay::new();
    relay.probe(4_999);
    let held = allocations::held(|| (5_000..6_000).for_each(|port| relay.probe(port)));

    assert_eq!(held, 0);
}

#[test]
fn an_idle_allocation_is_small() {
    let mut relay = TurnRelay::new();
    relay.allocate(4_999);
    let held = allocations::held(|| (5_000..15_000).for_each(|port| _ = relay.allocate(port)));

    println!("{} bytes an allocation", held / 10_000);
    assert!(held < 10_000 * 1_500, "{held} bytes");
}
