use crate::script::{self, Line};
use crate::world::{Client, World};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Say;
use proptest::prelude::*;
use relay_wire::control::{CloseReason, Codec, Command, Event};
use signalling_switchboard::Join;
use std::time::Duration;

/// Something that happens; numbers pick from what is there.
#[derive(Clone, Debug)]
enum Act {
    Join(u8),
    Resume(u8),
    Cut(u8),
    Leave(u8),
    Answer(u8),
    AddTrack(u8, u8),
    Offer(u8, u8, bool),
    Start(u8),
    Close(u8),
    Mute(u8, u8, bool),
    Subscribe(u8, u8, bool),
    Permit(u8, bool),
    Bytes(u8, Vec<u8>),
    Sleep(u8),
    Reset,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0u8..4;
    let n = any::<u8>();
    prop_oneof![
        4 => who.clone().prop_map(Act::Join),
        2 => who.clone().prop_map(Act::Resume),
        2 => who.clone().prop_map(Act::Cut),
        1 => who.clone().prop_map(Act::Leave),
        6 => who.clone().prop_map(Act::Answer),
        6 => (who.clone(), 0u8..3).prop_map(|(who, n)| Act::AddTrack(who, n)),
        6 => (who.clone(), 0u8..8, any::<bool>()).prop_map(|(w, n, b)| Act::Offer(w, n, b)),
        6 => n.prop_map(Act::Start),
        1 => n.prop_map(Act::Close),
        2 => (who.clone(), n, any::<bool>()).prop_map(|(w, n, b)| Act::Mute(w, n, b)),
        2 => (who.clone(), n, any::<bool>()).prop_map(|(w, n, b)| Act::Subscribe(w, n, b)),
        1 => (who.clone(), any::<bool>()).prop_map(|(w, b)| Act::Permit(w, b)),
        1 => (who, prop::collection::vec(n, 0..60)).prop_map(|(w, bytes)| Act::Bytes(w, bytes)),
        2 => (0u8..40).prop_map(Act::Sleep),
        1 => Just(Act::Reset),
    ]
}

#[derive(Default)]
struct Known {
    clients: [Option<Client>; 4],
    sids: Vec<String>,
    tracks: Vec<relay_wire::control::TrackId>,
    transports: Vec<relay_wire::control::TransportId>,
}

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const CIDS: [&str; 3] = ["one", "two", "three"];

fn offer(mask: u8, video: bool) -> Say {
    let lines: Vec<Line<'_>> = CIDS
        .iter()
        .zip(["1", "2", "3"])
        .enumerate()
        .map(|(bit, (cid, mid))| {
            let line = if video { Line::video(mid, cid) } else { Line::audio(mid, cid) };
            if mask & (1 << bit) == 0 { line.inactive() } else { line }
        })
        .collect();
    script::offer(1, &lines, "publ")
}

fn say(world: &mut World, known: &mut Known, who: u8, message: Say) {
    if let Some(client) = known.clients[usize::from(who)].clone() {
        world.say(&client, message);
        note(world, known, &client);
    }
}

/// Keeps what a client was told for later acts.
fn note(world: &mut World, known: &mut Known, client: &Client) {
    use livekit_protocol::signal_response::Message;
    for command in world.commands() {
        match command {
            Command::Publish(spec) => known.tracks.push(spec.track),
            Command::Open { transport, .. } => known.transports.push(transport),
            _ => {}
        }
    }
    world.answer_offers(client, |sdp| script::answer_to(sdp, "answ"));
    for message in world.read(client) {
        if let Message::TrackPublished(published) = message {
            known.sids.push(published.track.unwrap().sid);
        }
    }
}

fn pick<T: Clone>(list: &[T], n: u8) -> Option<T> {
    list.get(usize::from(n) % list.len().max(1)).cloned()
}

fn perform(world: &mut World, known: &mut Known, act: Act) {
    match act {
        Act::Join(who) => {
            let join = Join::new(World::claims(NAMES[usize::from(who)]));
            let client = world.join_with(join);
            known.clients[usize::from(who)] = Some(client);
        }
        Act::Resume(who) => {
            let Some(client) = known.clients[usize::from(who)].clone() else { return };
            let join = Join::new(World::claims(&client.identity));
            let sid = Some(client.sid.clone());
            let connection = world.connect(Join { reconnect: true, sid, ..join });
            known.clients[usize::from(who)] = Some(Client { connection, ..client });
        }
        Act::Cut(who) => {
            if let Some(client) = &known.clients[usize::from(who)] {
                world.cut(client);
            }
        }
        Act::Leave(who) => say(world, known, who, Say::Leave(proto::LeaveRequest::default())),
        Act::Answer(who) => {
            if let Some(client) = known.clients[usize::from(who)].clone() {
                note(world, known, &client);
            }
        }
        Act::AddTrack(who, n) => {
            let cid = CIDS[usize::from(n)];
            let add = if n == 2 { script::microphone(cid) } else { script::camera(cid) };
            say(world, known, who, Say::AddTrack(add));
        }
        Act::Offer(who, mask, video) => say(world, known, who, offer(mask, video)),
        Act::Start(n) => {
            if let Some(track) = pick(&known.tracks, n) {
                let codec = if n % 2 == 0 { Codec::Vp8 } else { Codec::H264 };
                world.event(Event::Started(track, codec));
            }
        }
        Act::Close(n) => {
            if let Some(transport) = pick(&known.transports, n) {
                world.event(Event::Closed(transport, CloseReason::PeerClosed));
            }
        }
        Act::Mute(who, n, muted) => {
            if let Some(sid) = pick(&known.sids, n) {
                say(world, known, who, Say::Mute(proto::MuteTrackRequest { sid, muted }));
            }
        }
        Act::Subscribe(who, n, subscribe) => {
            let track_sids = pick(&known.sids, n).into_iter().collect();
            let wish = proto::UpdateSubscription { track_sids, subscribe, ..Default::default() };
            say(world, known, who, Say::Subscription(wish));
        }
        Act::Permit(who, all_participants) => {
            let permission =
                proto::SubscriptionPermission { all_participants, ..Default::default() };
            say(world, known, who, Say::SubscriptionPermission(permission));
        }
        Act::Bytes(who, bytes) => {
            if let Some(client) = &known.clients[usize::from(who)] {
                world.frame(client.connection, &bytes);
            }
        }
        Act::Sleep(seconds) => world.sleep(Duration::from_secs(seconds.into())),
        Act::Reset => world.event(Event::Reset),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::new();
        let mut known = Known::default();
        for act in acts {
            perform(&mut world, &mut known, act);
            let counters = world.board.counters();
            prop_assert!(counters.rooms <= 1 && counters.participants <= 4);
            prop_assert_eq!(counters.requests_pending, 0, "the relay has answered everything");
            let left: u64 = counters.leaves.iter().sum();
            prop_assert_eq!(counters.joins, counters.participants + left);
            prop_assert!(counters.connections <= counters.participants);
        }
        // Whoever says nothing any more is forgotten in the end.
        world.sleep(Duration::from_secs(120));
        let counters = world.board.counters();
        prop_assert_eq!((counters.rooms, counters.connections, counters.tracks), (0, 0, 0));
        prop_assert_eq!(world.board.next_timeout(), None);
    }

    #[test]
    fn random_bytes_are_only_counted(frames in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..200), 0..30,
    )) {
        let mut world = World::new();
        let alice = world.join("alice");
        for frame in frames {
            world.frame(alice.connection, &frame);
        }
        prop_assert!(world.board.counters().malformed <= 10);
    }
}
