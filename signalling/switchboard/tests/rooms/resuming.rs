use crate::script::{self, info_of, leave_of, offers};
use crate::world::{Client, World};
use livekit_protocol as proto;
use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, Event};
use signalling_switchboard::{ConnectionId, Join};
use std::time::Duration;

fn resume(world: &mut World, client: &Client) -> ConnectionId {
    let join = Join::new(World::claims(&client.identity));
    world.connect(Join { reconnect: true, sid: Some(client.sid.clone()), ..join })
}

#[test]
fn resume_keeps_the_participant_and_restarts_ice() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let carol = world.join("carol");
    world.publish_camera(&alice);
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    world.cut(&bob);
    world.say(&carol, Say::Leave(proto::LeaveRequest::default()));
    world.read(&alice);
    world.commands();
    world.sleep(Duration::from_secs(3));

    let back = Client { connection: resume(&mut world, &bob), ..bob.clone() };

    let messages = world.read(&back);
    assert!(matches!(messages[0], Message::Reconnect(_)), "JS drops what comes before");
    assert_eq!(info_of(&messages, "carol").unwrap().state(), State::Disconnected);
    assert_eq!(info_of(&messages, "alice").unwrap().tracks.len(), 1);
    assert!(info_of(&messages, "bob").is_some());
    assert!(matches!(world.commands()[..], [Command::RestartIce(_)]));
    let offer = offers(&messages)[0];
    let answer = script::answer_to(&offer.sdp, "again");
    world.say(
        &back,
        Say::Answer(proto::SessionDescription { id: offer.id, sdp: answer, ..Default::default() }),
    );
    let commands = world.commands();
    assert!(
        matches!(&commands[..], [Command::Admit { remote, .. }] if remote.ufrag == "again"),
        "the subscription goes on: {commands:?}"
    );
    assert!(info_of(&world.read(&alice), "bob").is_none(), "nobody else saw it");
    assert_eq!(world.board.counters().resumes, 1);
}

#[test]
fn resume_replaces_a_connection_that_still_seems_alive() {
    let mut world = World::new();
    let alice = world.join("alice");
    let back = resume(&mut world, &alice);
    assert!(world.is_closed(alice.connection) && !world.is_closed(back));
    world.cut(&alice);
    world.sleep(Duration::from_secs(10));
    assert_eq!(world.board.counters().participants, 1);
}

#[test]
fn unknown_participant_must_join_afresh() {
    let mut world = World::new();
    let alice = world.join("alice");
    let stranger = Client { sid: "PA_unknown".into(), ..alice.clone() };
    let thief = Client { identity: "mallory".into(), ..alice };
    for client in [stranger, thief] {
        let connection = resume(&mut world, &client);
        let messages = world.read_connection(connection);
        assert_eq!(messages.len(), 1);
        let leave = leave_of(&messages).unwrap();
        assert_eq!(leave.action(), Action::Reconnect);
        assert_eq!(leave.reason(), DisconnectReason::StateMismatch);
        assert!(leave.can_reconnect && world.is_closed(connection));
    }
    assert_eq!(world.board.counters().resumes_refused, 2);
}

#[test]
fn what_changed_while_away_is_offered_after_the_resume() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.cut(&bob);
    let (sid, _) = world.publish_camera(&alice);
    let back = Client { connection: resume(&mut world, &bob), ..bob };
    assert!(offers(&world.read(&back))[0].sdp.contains(&sid));
}

#[test]
fn lost_participant_is_removed_after_a_while() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.cut(&bob);
    world.sleep_pinging(Duration::from_secs(29), &[&alice]);
    assert_eq!(world.board.counters().participants, 2);
    world.sleep_pinging(Duration::from_secs(3), &[&alice]);
    let gone = info_of(&world.read(&alice), "bob").unwrap();
    assert_eq!(gone.state(), State::Disconnected);
    assert_eq!(gone.disconnect_reason(), DisconnectReason::ConnectionTimeout);
}

#[test]
fn participant_without_media_is_kept_for_less() {
    let mut world = World::new();
    let alice = world.join_with(Join::new(World::claims("alice")));
    world.cut(&alice);
    world.sleep(Duration::from_secs(17));
    assert_eq!(world.board.counters().participants, 0);
}

#[test]
fn silent_client_is_hung_up_on_and_may_come_back() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.sleep(Duration::from_secs(31));
    assert!(world.is_closed(alice.connection));
    let back = resume(&mut world, &alice);
    assert!(matches!(world.read_connection(back)[0], Message::Reconnect(_)));
}

#[test]
fn unanswered_offer_ends_in_a_fresh_join() {
    let mut world = World::new();
    let alice = world.join_with(Join::new(World::claims("alice")));
    world.sleep_pinging(Duration::from_secs(20), &[&alice]);
    assert_eq!(leave_of(&world.read(&alice)).unwrap().action(), Action::Reconnect);
}

#[test]
fn relay_that_starts_afresh_makes_everybody_join_afresh() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.event(Event::Reset);
    for client in [&alice, &bob] {
        assert_eq!(leave_of(&world.read(client)).unwrap().action(), Action::Reconnect);
        assert!(world.is_closed(client.connection));
    }
    let counters = world.board.counters();
    assert_eq!((counters.rooms, counters.participants), (1, 0), "the room waits for them");
    assert_eq!(counters.requests_pending, 0);
    world.join("alice");
}

#[test]
fn sync_state_brings_the_wishes_back() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    world.commands();
    let subscription =
        proto::UpdateSubscription { track_sids: vec![sid], subscribe: false, ..Default::default() };
    let state = proto::SyncState { subscription: Some(subscription), ..Default::default() };
    world.say(&bob, Say::SyncState(state));
    assert!(matches!(world.commands()[..], [Command::Unsubscribe(_)]));
}
