//! Data messages: who gets them, and whose name they carry.

use crate::world::{PUBLISHER, World};
use relay_shard::{DropReason, Limits};
use relay_wire::control::{Channel, Command, DataRole, ParticipantId, TransportId};
use std::time::Duration;

/// `DataPacket { destination_identities, value: chat (some unknown field) }`.
fn message(to: &[&str]) -> Vec<u8> {
    let mut message = Vec::new();
    for identity in to {
        message.extend_from_slice(&[5 << 3 | 2, identity.len() as u8]);
        message.extend_from_slice(identity.as_bytes());
    }
    message.extend_from_slice(&[6 << 3 | 2, 2, 0x08, 0x01]);
    message
}

fn call() -> World {
    let mut world = World::empty(Limits { data_message_bytes: 100, ..Limits::default() });
    world.join(1, PUBLISHER, DataRole::Accept);
    let own = TransportId(11);
    world.room.opened(world.now, own, ParticipantId(1), DataRole::Open).expect("a place");
    world.room.connected(world.now, own, &mut world.egress, &mut world.out);
    for number in 0..3 {
        world.join(100 + number, World::subscriber(number), DataRole::Open);
    }
    world
}

fn send(world: &mut World, message: &[u8]) -> Vec<TransportId> {
    let before = world.egress.data.len();
    let (room, egress, out) = (&mut world.room, &mut world.egress, &mut world.out);
    room.data(world.now, PUBLISHER, Channel::Reliable, message, egress, out);
    world.egress.data[before..].iter().map(|(to, ..)| *to).collect()
}

#[test]
fn a_message_reaches_all_others_with_the_senders_stamp() {
    let mut world = call();
    let sent = message(&[]);

    assert_eq!(send(&mut world, &sent), [0, 1, 2].map(World::subscriber));
    let (_, channel, received) = &world.egress.data[0];
    assert_eq!(*channel, Channel::Reliable);
    assert_eq!(*received, [&sent[..], b"\x22\x04p001"].concat());
    let counters = world.counters();
    assert_eq!((counters.data_in, counters.data_out), (1, 3));
}

#[test]
fn destinations_are_followed_and_never_lead_back() {
    let mut world = call();

    assert_eq!(send(&mut world, &message(&["p101", "p1"])), [World::subscriber(1)]);
    assert!(send(&mut world, &message(&["nobody"])).is_empty());
}

#[test]
fn the_name_inside_a_user_packet_is_the_senders_too() {
    let mut world = call();
    send(&mut world, &[2 << 3 | 2, 4, 5 << 3 | 2, 2, b'm', b'e']);

    assert!(world.egress.data[0].2.ends_with(&[2 << 3 | 2, 4, 5 << 3 | 2, 2, b'p', b'1']));
}

#[test]
fn a_nameless_sender_is_nameless_inside_too() {
    let mut world = call();
    let stamp = vec![0x22, 0, 0x8a, 0x01, 0];
    let hidden = relay_wire::control::ParticipantSpec { stamp, ..World::participant(1) };
    world.command(&Command::Participant(hidden));
    send(&mut world, &[2 << 3 | 2, 4, 5 << 3 | 2, 2, b'm', b'e']);

    let received = &world.egress.data[0].2;
    assert!(received.ends_with(&[0x8a, 0x01, 0, 2 << 3 | 2, 4, 1 << 3 | 2, 0, 5 << 3 | 2, 0]));
}

#[test]
fn who_may_not_publish_or_subscribe_does_not() {
    let mut world = call();
    let deaf =
        relay_wire::control::ParticipantSpec { can_subscribe: false, ..World::participant(101) };
    world.command(&Command::Participant(deaf));
    assert_eq!(send(&mut world, &message(&[])), [0, 2].map(World::subscriber));

    let mute =
        relay_wire::control::ParticipantSpec { can_publish_data: false, ..World::participant(1) };
    world.command(&Command::Participant(mute));
    assert!(send(&mut world, &message(&[])).is_empty());
    assert_eq!(world.out.drops.get(DropReason::DataRefused), 1);
}

#[test]
fn garbage_and_long_messages_are_refused() {
    let mut world = call();

    assert!(send(&mut world, b"\xff\xff\xff").is_empty());
    assert!(send(&mut world, &[message(&[]), vec![0x32, 96], vec![0; 96]].concat()).is_empty());
    let crowd = vec![""; 300];
    assert!(send(&mut world, &message(&crowd)).is_empty());
    assert_eq!(world.out.drops.get(DropReason::DataRefused), 3);
}

#[test]
fn the_servers_own_messages_go_out_as_they_are() {
    let mut world = call();
    let (channel, payload) = (Channel::Lossy, b"own".to_vec());
    let to = vec![ParticipantId(102)];
    world.command(&Command::SendData { channel, to, payload: payload.clone() });
    world.command(&Command::SendData { channel, to: Vec::new(), payload });

    let reached: Vec<_> = world.egress.data.iter().map(|(to, ..)| to.0).collect();
    assert_eq!(reached, [102, 11, 100, 101, 102]);
    assert!(world.egress.data.iter().all(|(_, _, payload)| payload == b"own"));
}

/// Processor time that this thread spends on `work`: unlike the wall's, it does not depend on what
/// else the machine does.
fn processor_time(work: impl FnOnce()) -> Duration {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("procfs");
        let spent = text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok());
        Duration::from_nanos(spent.expect("nanoseconds first"))
    };
    let before = spent();
    work();
    spent() - before
}

#[test]
fn a_message_of_many_fields_is_not_read_again_for_each_participant() {
    let mut world = World::empty(Limits::default());
    world.join(1, PUBLISHER, DataRole::Accept);
    for number in 0..500 {
        world.join(100 + number, World::subscriber(number), DataRole::Open);
    }
    // Fields of two bytes that nobody knows, then a destination who is not here.
    let mut sent = [0x98, 0x06, 0x01].repeat(20_000);
    sent.extend(message(&["nobody"]));

    let took = processor_time(|| {
        for _ in 0..10 {
            assert!(send(&mut world, &sent).is_empty());
        }
    });

    assert_eq!(world.counters().data_in, 10);
    assert!(took < Duration::from_millis(600), "{took:?}");
}
