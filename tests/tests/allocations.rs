//! The packet path allocates nothing once a call is up.

use millrace_tests::allocations::{self, Counting};
use millrace_tests::{Network, Source, Work, World};
use relay_wire::Kind as Protocol;
use relay_wire::control::Kind;
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
