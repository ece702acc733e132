//! What the shard refuses, and that every command is answered once.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod world;

use relay_shard::{ConfigError, Shard};
use relay_wire::control::{
    Answer, Channel, Choice, Command, DataRole, Kind, Message, ParticipantId, Refusal, Request,
    RoomId, SubscriptionId, SubscriptionSpec, TrackId, TrackSpec, TransportId,
};
use relay_wire::control::{Extensions, Hash};
use std::time::{Duration, Instant};
use world::checker::{Check, Reply, remote};
use world::{ROOM, World, path, refused};

const NOBODY: ParticipantId = ParticipantId(99);

fn open(world: &mut World, transport: u64) -> Answer {
    world.command(Command::Open {
        participant: ParticipantId(1),
        transport: TransportId(transport),
        data: DataRole::Accept,
    })
}

#[test]
fn a_shard_that_cannot_be_says_why() {
    let now = Instant::now();
    let refusal = |change: fn(&mut relay_shard::Config)| {
        let mut config = world::config();
        change(&mut config);
        Shard::new(config, now).err()
    };

    assert_eq!(refusal(|config| config.index = 1), Some(ConfigError::Index));
    assert_eq!(refusal(|config| config.shards = 2_000), Some(ConfigError::Index));
    assert_eq!(refusal(|config| config.private_key.clear()), Some(ConfigError::Certificate));
    assert_eq!(refusal(|config| config.certificate.clear()), Some(ConfigError::Certificate));
    assert_eq!(refusal(|_| {}), None);
}

#[test]
fn rooms_beyond_the_limit_are_refused_until_one_is_closed() {
    let mut world = World::with(|config| config.limits.rooms = 2);
    assert_eq!(world.join(RoomId(1), NOBODY), Answer::Done);
    assert_eq!(world.join(RoomId(2), NOBODY), Answer::Done);
    assert_eq!(world.join(RoomId(3), NOBODY), refused(Refusal::Full));
    assert_eq!(world.counters().rooms, 2);

    assert_eq!(world.command_in(RoomId(1), Command::CloseRoom), Answer::Done);
    assert_eq!(world.join(RoomId(3), NOBODY), Answer::Done);
}

#[test]
fn a_room_goes_with_its_last_participant() {
    let mut world = World::new();
    world.join(ROOM, ParticipantId(1));
    world.join(ROOM, ParticipantId(2));
    assert_eq!(world.command(Command::RemoveParticipant(ParticipantId(1))), Answer::Done);
    assert_eq!(world.counters().rooms, 1);
    assert_eq!(world.command(Command::RemoveParticipant(ParticipantId(2))), Answer::Done);
    assert_eq!(world.counters().rooms, 0);
    assert_eq!(world.counters().participants, 0);
}

#[test]
fn transports_beyond_the_limit_are_refused() {
    let mut world = World::with(|config| config.limits.transports = 1);
    world.open(1, DataRole::Accept);
    assert_eq!(open(&mut world, 2), refused(Refusal::Full));
    assert_eq!(world.command(Command::Close(TransportId(1))), Answer::Done);
    assert!(matches!(open(&mut world, 2), Answer::Opened(_)));
}

#[test]
fn a_transport_needs_a_participant_and_a_name_of_its_own() {
    let mut world = World::new();
    let foundling =
        Command::Open { participant: NOBODY, transport: TransportId(7), data: DataRole::Accept };
    assert_eq!(world.command(foundling.clone()), refused(Refusal::Unknown));
    world.open(1, DataRole::Accept);
    assert_eq!(world.command(foundling), refused(Refusal::Unknown));
    assert_eq!(open(&mut world, 1), refused(Refusal::Invalid));
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_room_cannot_touch_the_transports_of_another() {
    let mut world = World::new();
    world.open(1, DataRole::Accept);
    let other = RoomId(2);
    world.join(other, ParticipantId(5));
    let transport = TransportId(1);

    for command in [
        Command::Admit { transport, remote: remote() },
        Command::RestartIce(transport),
        Command::Close(transport),
    ] {
        assert_eq!(world.command_in(other, command), refused(Refusal::Unknown));
    }
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_remote_side_that_cannot_be_is_refused() {
    let mut world = World::new();
    world.open(1, DataRole::Accept);
    let mut admit = |change: fn(&mut relay_wire::control::Remote)| {
        let mut remote = remote();
        change(&mut remote);
        world.command(Command::Admit { transport: TransportId(1), remote })
    };

    assert_eq!(admit(|remote| remote.ufrag = "abc".into()), refused(Refusal::Invalid));
    assert_eq!(admit(|remote| remote.ufrag = "a:b:c".into()), refused(Refusal::Invalid));
    assert_eq!(admit(|remote| remote.pwd = "short".into()), refused(Refusal::Invalid));
    let wrong = admit(|remote| remote.fingerprint.hash = Hash::Sha512);
    assert_eq!(wrong, refused(Refusal::Invalid));
    assert_eq!(admit(|_| {}), Answer::Done);
}

#[test]
fn closing_a_room_closes_its_transports_in_silence() {
    let mut world = World::new();
    let opened = world.open(1, DataRole::Accept);
    world.check(path(5000), &Check::nominating(&opened));
    assert_eq!(world.command(Command::CloseRoom), Answer::Done);

    assert_eq!(world.told().count(), 0);
    assert_eq!(world.counters().transports, 0);
    assert_eq!(world.check(path(5000), &Check::of(&opened)), Reply::Silence);
    world.sleep(Duration::from_secs(60));
    assert_eq!(world.shard.next_timeout(), None);
}

#[test]
fn removing_a_participant_closes_its_transports_only() {
    let mut world = World::new();
    let first = world.open(1, DataRole::Accept);
    let second = world.open(2, DataRole::Open);
    assert_eq!(world.command(Command::RemoveParticipant(ParticipantId(1))), Answer::Done);
    assert_eq!(world.check(path(5000), &Check::of(&first)), Reply::Silence);
    assert_ne!(world.check(path(5000), &Check::of(&second)), Reply::Silence);
}

#[test]
fn every_command_is_answered_once_in_a_room_that_is_not_there() {
    let (transport, track) = (TransportId(1), TrackId(1));
    let subscription = SubscriptionId(1);
    let track_spec = TrackSpec {
        track,
        participant: NOBODY,
        transport,
        kind: Kind::Audio,
        mid: "0".into(),
        codecs: Vec::new(),
        ssrcs: Vec::new(),
        rids: Vec::new(),
        extensions: Extensions::default(),
        muted: false,
    };
    let subscription_spec = SubscriptionSpec {
        subscription,
        track,
        participant: NOBODY,
        transport,
        mid: "0".into(),
        ssrc: 1,
        rtx_ssrc: None,
        codecs: Vec::new(),
        extensions: Extensions::default(),
        choice: Choice::High,
        fps_max: None,
    };
    let commands = [
        Command::RemoveParticipant(NOBODY),
        Command::Open { participant: NOBODY, transport, data: DataRole::Open },
        Command::Admit { transport, remote: remote() },
        Command::RestartIce(transport),
        Command::Close(transport),
        Command::Publish(track_spec),
        Command::Unpublish(track),
        Command::Mute { track, muted: true },
        Command::Subscribe(subscription_spec),
        Command::Choose { subscription, choice: Choice::Low, fps_max: None },
        Command::Unsubscribe(subscription),
        Command::SendData { channel: Channel::Lossy, to: Vec::new(), payload: Vec::new() },
        Command::CloseRoom,
    ];

    let mut world = World::new();
    for command in commands {
        assert_eq!(world.command(command), refused(Refusal::Unknown));
    }
    assert_eq!(world.counters().rooms, 0);
}

#[test]
fn the_answer_comes_after_the_events_it_caused() {
    let mut world = World::new();
    let opened = world.open(1, DataRole::Accept);
    world.check(path(5000), &Check::nominating(&opened));
    world.events.clear();
    let request = Request { id: 77, room: ROOM, command: Command::Close(TransportId(1)) };
    world.shard.command(world.now, request, &mut world.out);

    let last = world.out.events.last().unwrap();
    let answer = Message::Answer { id: 77, answer: Answer::Done };
    assert_eq!(*last, relay_shard::Event::Control(answer));
    assert_eq!(world.out.events.len(), 2);
}

#[test]
fn an_idle_shard_with_many_transports_wakes_for_what_is_due_only() {
    let mut world = World::new();
    for transport in 0..1_000 {
        world.open(transport, DataRole::Accept);
    }
    let timeout = world.shard.next_timeout().unwrap();
    assert!(timeout > world.now + Duration::from_millis(50));
    world.sleep(Duration::from_secs(21));
    assert_eq!(world.counters().transports, 0);
    assert_eq!(world.told().count(), 1_000);
}
