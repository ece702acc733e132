//! Two shards without steering: datagrams find their owner.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::{DropReason, Event, Path};
use relay_wire::control::DataRole;
use relay_wire::ice::shard_of;
use std::time::Duration;
use world::checker::{Check, Reply};
use world::{World, path};

fn shards() -> [World; 2] {
    [0, 1].map(|index| {
        World::with(|config| {
            config.index = index;
            config.shards = 2;
        })
    })
}

/// Plays the driver: hands datagrams over and tells of flows, until nothing is left to tell.
fn mesh(worlds: &mut [World; 2]) {
    for _ in 0..10 {
        for at in [0, 1] {
            for (shard, path, bytes) in std::mem::take(&mut worlds[at].handed_over) {
                worlds[usize::from(shard)].receive(path, &bytes);
            }
            let mine = u16::try_from(at).unwrap();
            for event in std::mem::take(&mut worlds[at].events) {
                match event {
                    Event::FlowBound(path) => worlds[1 - at].shard.flow(path, Some(mine)),
                    Event::FlowUnbound(path) => worlds[1 - at].shard.flow(path, None),
                    Event::Control(_)
                    | Event::RelayOpen(_)
                    | Event::RelayClose(_)
                    | Event::HangUp(_)
                    | Event::ChannelBound(_)
                    | Event::ChannelUnbound(_)
                    | Event::AllocationStands(_)
                    | Event::AllocationEnded(_) => {}
                }
            }
        }
        for world in &mut *worlds {
            world.sleep(Duration::ZERO);
        }
    }
    assert!(worlds.iter().all(|world| world.handed_over.is_empty()), "datagrams go in circles");
}

/// Which shard takes a datagram that arrives at `at`, by where it is counted.
fn taker(worlds: &mut [World; 2], at: usize, path: Path) -> Option<usize> {
    let counted = |worlds: &[World; 2]| {
        [0, 1].map(|shard: usize| worlds[shard].drops(DropReason::NotConnected))
    };
    let before = counted(worlds);
    worlds[at].receive(path, &[0x80; 40]);
    mesh(worlds);
    let after = counted(worlds);

    [0, 1].into_iter().find(|shard| before[*shard] != after[*shard])
}

#[test]
fn shards_with_one_seed_make_different_credentials() {
    let mut worlds = shards();
    let [first, second] = [0, 1].map(|at: usize| worlds[at].open(1, DataRole::Accept));
    assert_eq!((shard_of(&first.ufrag), shard_of(&second.ufrag)), (Some(0), Some(1)));
    assert_ne!(first.ufrag[2..], second.ufrag[2..]);
    assert_ne!(first.pwd, second.pwd);
}

#[test]
fn a_check_for_another_shard_is_handed_over_and_answered_there() {
    let mut worlds = shards();
    let opened = worlds[1].open(1, DataRole::Accept);
    assert_eq!(worlds[0].check(path(5000), &Check::of(&opened)), Reply::Silence);
    assert_eq!(worlds[0].handed_over.len(), 1);
    worlds[1].sent.clear();
    mesh(&mut worlds);
    assert_eq!(worlds[1].sent.len(), 1);
}

#[test]
fn a_check_for_a_shard_that_is_not_there_is_dropped() {
    let mut worlds = shards();
    let opened = worlds[1].open(1, DataRole::Accept);
    let username = format!("0v{}:remote", &opened.ufrag[2..]);
    worlds[0].check(path(5000), &Check { username, ..Check::of(&opened) });
    assert!(worlds[0].handed_over.is_empty());
    assert_eq!(worlds[0].drops(DropReason::UnknownUfrag), 1);
}

#[test]
fn media_on_a_bound_path_reaches_its_owner_wherever_it_arrives() {
    let mut worlds = shards();
    let opened = worlds[1].open(1, DataRole::Accept);
    worlds[1].check(path(5000), &Check::nominating(&opened));
    mesh(&mut worlds);

    assert_eq!(taker(&mut worlds, 0, path(5000)), Some(1));
    assert_eq!(taker(&mut worlds, 1, path(5000)), Some(1));
    assert_eq!(taker(&mut worlds, 0, path(5001)), None);
}

#[test]
fn an_unbound_path_is_nobodys() {
    let mut worlds = shards();
    let opened = worlds[1].open(1, DataRole::Accept);
    worlds[1].check(path(5000), &Check::nominating(&opened));
    mesh(&mut worlds);
    worlds[1].sleep(Duration::from_secs(21));
    mesh(&mut worlds);

    assert_eq!(taker(&mut worlds, 0, path(5000)), None);
}

#[test]
fn a_path_moves_to_the_shard_that_validated_it_last() {
    let mut worlds = shards();
    let [first, second] = [0, 1].map(|at: usize| worlds[at].open(1, DataRole::Accept));
    worlds[0].check(path(5000), &Check::nominating(&first));
    mesh(&mut worlds);
    assert_eq!(taker(&mut worlds, 1, path(5000)), Some(0));
    worlds[1].check(path(5000), &Check::nominating(&second));
    mesh(&mut worlds);

    assert_eq!(taker(&mut worlds, 0, path(5000)), Some(1));
    assert_eq!(taker(&mut worlds, 1, path(5000)), Some(1));
}

#[test]
fn two_shards_that_claim_a_path_at_once_never_send_a_datagram_in_circles() {
    let mut worlds = shards();
    let [first, second] = [0, 1].map(|at: usize| worlds[at].open(1, DataRole::Accept));
    worlds[0].check(path(5000), &Check::nominating(&first));
    worlds[1].check(path(5000), &Check::nominating(&second));
    mesh(&mut worlds);
    taker(&mut worlds, 0, path(5000));
    taker(&mut worlds, 1, path(5000));

    worlds[0].check(path(5000), &Check::nominating(&first));
    mesh(&mut worlds);
    assert_eq!(taker(&mut worlds, 0, path(5000)), Some(0));
    assert_eq!(taker(&mut worlds, 1, path(5000)), Some(0));
}

#[test]
fn flows_of_others_are_bounded() {
    let mut world = World::with(|config| config.shards = 2);
    for port in 0..70_000_u32 {
        let mut path = path((port % 60_000) as u16);
        path.remote.set_ip([10, 0, 0, (port / 60_000) as u8].into());
        world.shard.flow(path, Some(1));
    }
    let mut handed = 0;
    for port in 0..60_000_u16 {
        let mut path = path(port);
        path.remote.set_ip([10, 0, 0, 1].into());
        world.receive(path, &[0x80; 20]);
        handed += world.handed_over.len();
        world.handed_over.clear();
    }
    assert_eq!(handed, (1 << 16) - 60_000);
}
