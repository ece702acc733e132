//! Calls in virtual time: frames arrive whole through loss, delay, repetition and reordering.

use livekit_protocol as proto;
use millrace_tests::{Network, Source, World, seeds};
use relay_wire::control::Kind;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn network(loss: f32, delay_ms: u64) -> Network {
    Network {
        loss,
        repeat: loss / 4.0,
        reorder: if loss > 0.0 { 17 } else { 0 },
        delay: Duration::from_millis(delay_ms),
        jitter: Duration::from_millis(delay_ms / 5),
        burst: 0.0,
    }
}

/// Joins these people, each with camera and microphone.
fn meeting(seed: u64, network: Network, people: &[&str]) -> World {
    let mut world = World::new(seed, network);
    for identity in people {
        world.join(identity);
        world.publish(identity, Source::Microphone);
        world.publish(identity, Source::Camera);
        world.run(Duration::from_millis(300));
    }

    world
}

/// Asserts that everybody got of everybody else nearly every frame, and none damaged.
fn assert_media(world: &mut World, seed: u64, people: &[&str], video: f64, audio: f64) {
    for to in people {
        for from in people.iter().filter(|from| *from != to) {
            for (kind, least) in [(Kind::Video, video), (Kind::Audio, audio)] {
                let got = world.received(to, from, kind);
                let complete = got.completeness();
                assert_eq!(got.corrupt, 0, "seed {seed}: {from} -> {to}: {kind:?} damaged");
                assert_eq!(got.repeated, 0, "seed {seed}: {from} -> {to}: {kind:?} repeated");
                assert!(
                    got.frames.len() > 60 && complete >= least,
                    "seed {seed}: {from} -> {to}: {kind:?}: {} frames, {complete:.3} of them",
                    got.frames.len()
                );
            }
        }
    }
}

#[test]
fn two_people_see_and_hear_one_another() {
    for seed in seeds(2) {
        let mut world = meeting(seed, network(0.0, 20), &["ann", "bob"]);
        world.run(5 * SECOND);

        assert_media(&mut world, seed, &["ann", "bob"], 1.0, 1.0);
        assert!(world.relay.hand_overs > 100, "half of the datagrams reach the wrong shard first");
    }
}

#[test]
fn who_first_rejects_everything_gets_media_when_it_takes_some() {
    let mut world = World::new(1, network(0.0, 20));
    world.join("bob");
    world.client("bob").rejects = true;
    world.run(2 * SECOND);

    world.client("bob").rejects = false;
    world.join("ann");
    world.publish("ann", Source::Microphone);
    world.publish("ann", Source::Camera);
    world.run(5 * SECOND);
    for kind in [Kind::Video, Kind::Audio] {
        let got = world.received("bob", "ann", kind);
        assert!(got.frames.len() > 60, "{kind:?}: {} frames", got.frames.len());
    }
}

#[test]
fn one_person_alone_connects_and_waits() {
    let mut world = meeting(1, network(0.0, 10), &["ann"]);
    world.run(3 * SECOND);

    assert!(world.client("ann").sent(Kind::Video) > 50);
    assert!(world.client("ann").left.is_none());
}

#[test]
fn frames_arrive_whole_through_loss_repetition_and_reordering() {
    for (loss, delay_ms, video, audio) in [(0.01, 10, 0.98, 0.93), (0.05, 50, 0.95, 0.82)] {
        for seed in seeds(2) {
            let people = ["ann", "bob", "cleo"];
            let mut world = meeting(seed, network(loss, delay_ms), &people);
            world.run(8 * SECOND);

            assert_media(&mut world, seed, &people, video, audio);
        }
    }
}

#[test]
fn a_fifth_lost_and_a_long_way_still_carry_a_call() {
    for seed in seeds(2) {
        let people = ["ann", "bob"];
        let mut world = meeting(seed, network(0.05, 100), &people);
        let seen = world.run_until(30 * SECOND, |world| {
            !world.received("ann", "bob", Kind::Video).frames.is_empty()
                && !world.received("bob", "ann", Kind::Video).frames.is_empty()
        });
        assert!(seen, "seed {seed}: no picture");
        world.set_network(network(0.2, 100));
        world.run(10 * SECOND);

        // Audio is not asked for again: 0.8 x 0.8 of it survives two such ways.
        assert_media(&mut world, seed, &people, 0.85, 0.5);
    }
}

#[test]
fn a_fifth_lost_from_the_beginning_is_no_reason_not_to_connect() {
    let connected = seeds(6).filter(|seed| {
        let mut world = meeting(*seed, network(0.2, 50), &["ann", "bob"]);
        world.run_until(30 * SECOND, |world| {
            !world.received("ann", "bob", Kind::Video).frames.is_empty()
                && !world.received("bob", "ann", Kind::Video).frames.is_empty()
        })
    });

    // Four handshakes for each; the keys in them come from the system, so no two runs are alike.
    let (connected, asked) = (connected.count(), seeds(6).count());
    assert!(connected * 3 >= asked * 2, "{connected} of {asked} calls connected");
}

#[test]
fn three_hundred_milliseconds_each_way_lose_nothing() {
    let people = ["ann", "bob"];
    let mut world = meeting(3, network(0.0, 300), &people);
    world.run(8 * SECOND);

    assert_media(&mut world, 3, &people, 1.0, 1.0);
}

#[test]
fn ten_people_meet() {
    let people = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut world = meeting(5, network(0.01, 30), &people);
    world.run(5 * SECOND);

    assert_media(&mut world, 5, &people, 0.96, 0.92);
}

#[test]
fn a_late_comer_gets_a_picture_at_once() {
    let mut world = meeting(2, network(0.0, 30), &["ann", "bob"]);
    world.run(3 * SECOND);
    let before = world.client("ann").keyframe_requests;
    world.join("cleo");
    let seen = world.run_until(2 * SECOND, |world| {
        !world.received("cleo", "ann", Kind::Video).frames.is_empty()
    });

    assert!(seen, "no picture within two seconds");
    assert!(world.client("ann").keyframe_requests > before, "no keyframe was asked for");
}

#[test]
fn many_late_comers_cost_few_keyframes() {
    let mut world = meeting(2, network(0.0, 30), &["ann"]);
    world.run(2 * SECOND);
    let before = world.client("ann").keyframe_requests;
    for name in ["b", "c", "d", "e", "f", "g"] {
        world.join(name);
    }
    world.run(3 * SECOND);

    let asked = world.client("ann").keyframe_requests - before;
    assert!((1..=4).contains(&asked), "{asked} keyframes asked for by six who came together");
}

#[test]
fn simulcast_layers_switch_without_a_break() {
    for seed in seeds(2) {
        let mut world = World::new(seed, network(0.01, 30));
        world.join("ann");
        world.publish("ann", Source::SimulcastCamera);
        world.join("bob");
        world.run(5 * SECOND);
        assert_eq!(world.received("bob", "ann", Kind::Video).layer, 0, "the highest at first");

        let sid = world.client("ann").track_sid(Kind::Video).unwrap();
        for (quality, layer) in [(0, 2), (2, 0), (1, 1), (0, 2)] {
            let setting = proto::UpdateTrackSettings {
                track_sids: vec![sid.clone()],
                quality,
                ..Default::default()
            };
            let request = proto::signal_request::Message::TrackSetting(setting);
            world.client("bob").request(request);
            let switched = world.run_until(3 * SECOND, |world| {
                world.received("bob", "ann", Kind::Video).layer == layer
            });
            assert!(switched, "seed {seed}: quality {quality} did not come");
            world.run(SECOND);
        }

        let got = world.received("bob", "ann", Kind::Video);
        assert_eq!(got.corrupt, 0, "seed {seed}");
        // A keyframe whose first packet had to be asked for again begins some frames ago.
        assert!(got.late < 8, "seed {seed}: {} frames came late", got.late);
        assert!(got.completeness() > 0.95, "seed {seed}: {}", got.completeness());
        let gap = got.longest_gap;
        assert!(gap < Duration::from_millis(400), "seed {seed}: a gap of {gap:?}");
    }
}

#[test]
fn a_muted_camera_stops_and_comes_back() {
    let mut world = meeting(4, network(0.01, 30), &["ann", "bob"]);
    world.run(2 * SECOND);
    world.client("ann").mute(Kind::Video, true);
    world.run(SECOND);
    let muted = world.client("bob").others.values().any(|i| i.tracks.iter().any(|t| t.muted));
    let before = world.received("bob", "ann", Kind::Video).frames.len();
    world.run(2 * SECOND);
    let during = world.received("bob", "ann", Kind::Video).frames.len();
    world.client("ann").mute(Kind::Video, false);
    world.run(2 * SECOND);
    let after = world.received("bob", "ann", Kind::Video).frames.len();

    assert!(muted, "bob was not told");
    assert_eq!(before, during);
    assert!(after > during + 30, "{} frames after the pause", after - during);
    assert!(!world.received("bob", "ann", Kind::Audio).frames.is_empty());
}

#[test]
fn who_speaks_is_told() {
    let mut world = meeting(6, network(0.0, 20), &["ann"]);
    world.join("bob");
    let told = world.run_until(3 * SECOND, |world| {
        world.client("bob").speakers.first().is_some_and(|speaker| speaker == "ann")
    });

    assert!(told);
    world.client("ann").mute(Kind::Audio, true);
    let quiet = world.run_until(3 * SECOND, |world| world.client("bob").speakers.is_empty());
    assert!(quiet, "a muted speaker still speaks");
}

#[test]
fn data_messages_arrive_and_name_their_true_sender() {
    let mut world = meeting(7, network(0.05, 30), &["ann", "bob", "cleo"]);
    let packet = proto::DataPacket {
        participant_identity: "mallory".to_owned(),
        value: Some(proto::data_packet::Value::User(proto::UserPacket {
            payload: b"hello".to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let private =
        proto::DataPacket { destination_identities: vec!["cleo".to_owned()], ..packet.clone() };
    let everybody = |world: &mut World| {
        ["ann", "bob", "cleo"].iter().all(|name| world.client(name).has_channels())
    };
    // A client that repeats its INIT after 3, 6 and 12 s needs patience when three get lost.
    let open = world.run_until(60 * SECOND, everybody);
    let states = ["ann", "bob", "cleo"].map(|name| world.client(name).state());
    assert!(open, "the data channels did not open: {states:#?}");
    assert!(world.client("ann").send_data("_reliable", &packet));
    assert!(world.client("ann").send_data("_reliable", &private));
    world.run_until(60 * SECOND, |world| {
        !world.client("bob").data.is_empty() && world.client("cleo").data.len() == 2
    });
    world.run(SECOND);

    assert_eq!(world.client("ann").data.len(), 0, "nothing comes back");
    assert_eq!(world.client("bob").data.len(), 1);
    assert_eq!(world.client("cleo").data.len(), 2);
    let (label, bytes) = world.client("bob").data[0].clone();
    let got = <proto::DataPacket as prost::Message>::decode(bytes.as_slice()).unwrap();
    assert_eq!((label.as_str(), got.participant_identity.as_str()), ("_reliable", "ann"));
}

#[test]
fn who_leaves_is_gone_at_once_and_who_vanishes_within_the_grace() {
    let mut world = meeting(8, network(0.0, 20), &["ann", "bob", "cleo"]);
    world.run(2 * SECOND);
    world.leave("cleo");
    world.run(SECOND / 2);
    assert_eq!(world.client("ann").others.len(), 1);

    world.vanish("bob");
    let gone = world.run_until(20 * SECOND, |world| world.client("ann").others.is_empty());
    assert!(gone, "bob is still in the room");
}

#[test]
fn rooms_do_not_mix() {
    let mut world = World::new(9, network(0.0, 20));
    for (identity, room) in [("ann", "one"), ("bob", "one"), ("cleo", "two"), ("dan", "two")] {
        world.join_room(identity, room);
        world.publish(identity, Source::Camera);
    }
    world.run(4 * SECOND);

    assert!(world.received("bob", "ann", Kind::Video).frames.len() > 60);
    assert!(world.received("cleo", "dan", Kind::Video).frames.len() > 60);
    assert_eq!(world.client("ann").received.len(), 1);
    assert_eq!(world.client("cleo").received.len(), 1);
}
