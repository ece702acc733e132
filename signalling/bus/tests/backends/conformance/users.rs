//! The directory of users.

use super::{World, await_event, lease_ends, node, session, three};
use signalling_bus::{Change, Error, Event, Notice, Presence, Session, State, User};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn alice() -> User {
    User::new("acme", "alice")
}

fn names(identities: &[&str]) -> Vec<String> {
    identities.iter().map(|name| (*name).to_owned()).collect()
}

fn presence(identity: &str, name: &str, state: State) -> Presence {
    Presence { identity: identity.to_owned(), name: name.to_owned(), state }
}

fn notice(number: usize, expires_ms: u64) -> Notice {
    Notice { id: format!("NO_{number}"), body: number.to_string(), expires_ms }
}

fn in_an_hour() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();

    (now + Duration::from_secs(3_600)).as_millis() as u64
}

pub(crate) async fn a_session_is_found_from_every_node(world: &impl World) {
    let [(a, _), (b, _), (c, _)] = &three(world).await;
    a.register(&alice(), session("1", "Alice")).await.unwrap();
    b.register(&alice(), session("2", "Alice")).await.unwrap();

    for bus in [a, b, c] {
        let mut places = bus.whereis(&alice()).await.unwrap();
        places.sort_by(|x, y| x.node.cmp(&y.node));
        let found: Vec<_> = places.iter().map(|p| (p.node.as_str(), &p.session)).collect();
        assert_eq!(found, [("a", &session("1", "Alice")), ("b", &session("2", "Alice"))]);
    }

    a.remove(&alice(), "1").await.unwrap();
    let places = c.whereis(&alice()).await.unwrap();
    assert_eq!(places.iter().map(|p| p.node.as_str()).collect::<Vec<_>>(), ["b"]);
    b.remove(&alice(), "2").await.unwrap();
    b.remove(&alice(), "2").await.unwrap();
    assert_eq!(a.whereis(&alice()).await.unwrap(), []);
}

pub(crate) async fn a_session_registered_again_is_changed(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    a.register(&alice(), session("1", "Alice")).await.unwrap();
    let busy = Session { busy: true, ..session("1", "Alice B.") };
    a.register(&alice(), busy.clone()).await.unwrap();

    let places = a.whereis(&alice()).await.unwrap();
    assert_eq!(places.iter().map(|place| &place.session).collect::<Vec<_>>(), [&busy]);
}

pub(crate) async fn devices_and_settings_make_the_presence(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    let asked = names(&["alice", "bob"]);
    let bob = presence("bob", "", State::Offline);
    let state_of_alice = async |state| {
        let name = if state == State::Offline { "" } else { "Alice" };
        let expected = [presence("alice", name, state), bob.clone()];
        assert_eq!(b.presence("acme", &asked).await.unwrap(), expected);
    };
    state_of_alice(State::Offline).await;

    a.register(&alice(), session("1", "Alice")).await.unwrap();
    state_of_alice(State::Online).await;
    b.register(&alice(), Session { busy: true, ..session("2", "Alice") }).await.unwrap();
    state_of_alice(State::Busy).await;
    let quiet = Change { do_not_disturb: Some(true), ..Change::default() };
    a.change(&alice(), quiet).await.unwrap();
    state_of_alice(State::DoNotDisturb).await;
    a.remove(&alice(), "1").await.unwrap();
    b.remove(&alice(), "2").await.unwrap();
    state_of_alice(State::Offline).await;
}

pub(crate) async fn a_tenant_lists_its_own_and_says_when_there_are_more(world: &impl World) {
    let [(a, _), (b, _), (c, _)] = &three(world).await;
    for (bus, identity) in [(a, "alice"), (b, "bob"), (b, "alice"), (c, "carol")] {
        let id = format!("{identity}@{}", bus.node());
        bus.register(&User::new("acme", identity), session(&id, identity)).await.unwrap();
    }
    a.register(&User::new("other", "mallory"), session("9", "Mallory")).await.unwrap();

    let mut all = b.present("acme", 10).await.unwrap();
    all.users.sort_by(|x, y| x.identity.cmp(&y.identity));
    let online = |name| presence(name, name, State::Online);
    assert_eq!(all.users, [online("alice"), online("bob"), online("carol")]);
    assert!(!all.truncated);
    let some = b.present("acme", 2).await.unwrap();
    assert_eq!((some.users.len(), some.truncated), (2, true));
    assert_eq!(a.present("nobody's", 10).await.unwrap().users, []);
}

pub(crate) async fn names_cannot_be_made_to_meet(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let pairs =
        [("a", "b/c"), ("a/b", "c"), ("a", "b}c"), ("{a}", "b"), ("a%2fb", "c"), ("a", "ü")];
    for (number, (tenant, identity)) in pairs.iter().enumerate() {
        let user = User::new(tenant, identity);
        a.register(&user, session(&number.to_string(), identity)).await.unwrap();
        let block = vec![format!("enemy {number}")];
        a.change(&user, Change { block, ..Change::default() }).await.unwrap();
    }

    for (number, (tenant, identity)) in pairs.iter().enumerate() {
        let user = User::new(tenant, identity);
        let places = a.whereis(&user).await.unwrap();
        let ids: Vec<_> = places.iter().map(|place| place.session.id.clone()).collect();
        assert_eq!(ids, [number.to_string()], "{user:?}");
        let blocked = a.settings(&user).await.unwrap().blocked;
        assert_eq!(blocked.into_iter().collect::<Vec<_>>(), [format!("enemy {number}")]);
    }
    assert_eq!(a.present("a", 10).await.unwrap().users.len(), 3);
}

pub(crate) async fn a_dead_nodes_users_go_offline(world: &impl World) {
    let (a, mut events) = node(world, "a").await;
    let (b, b_events) = node(world, "b").await;
    a.register(&User::new("acme", "bob"), session("2", "Bob")).await.unwrap();
    b.register(&alice(), session("1", "Alice")).await.unwrap();
    assert_eq!(a.whereis(&alice()).await.unwrap().len(), 1);
    drop((b, b_events));
    lease_ends().await;

    assert_eq!(a.whereis(&alice()).await.unwrap(), []);
    let present = a.present("acme", 10).await.unwrap();
    assert_eq!(present.users, [presence("bob", "Bob", State::Online)]);
    await_event(&mut events, |event| (event == Event::NodeDown("b".to_owned())).then_some(()))
        .await;
    let nodes = a.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(a.send("b", vec![1]).await, Err(Error::NodeAway("b".to_owned())));
}

pub(crate) async fn a_goodbye_takes_effect_at_once(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let (b, _b_events) = node(world, "b").await;
    b.register(&alice(), session("1", "Alice")).await.unwrap();
    b.leave().await.unwrap();

    assert_eq!(a.whereis(&alice()).await.unwrap(), []);
    assert_eq!(a.nodes().await.unwrap().len(), 1);
    assert_eq!(a.send("b", vec![1]).await, Err(Error::NodeAway("b".to_owned())));
}

pub(crate) async fn a_node_that_starts_anew_has_no_users(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let (b, b_events) = node(world, "b").await;
    b.register(&alice(), session("1", "Alice")).await.unwrap();
    drop((b, b_events));
    let (b, _events) = node(world, "b").await;

    assert_eq!(a.whereis(&alice()).await.unwrap(), []);
    assert_eq!(a.present("acme", 10).await.unwrap().users, []);
    b.register(&alice(), session("2", "Alice")).await.unwrap();
    let places = a.whereis(&alice()).await.unwrap();
    assert_eq!(places.iter().map(|p| p.session.id.as_str()).collect::<Vec<_>>(), ["2"]);
}

pub(crate) async fn settings_are_kept_and_bounded(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    assert_eq!(a.settings(&alice()).await.unwrap(), signalling_bus::Settings::default());
    let block = (0..1_000).map(|n| format!("user {n}")).collect();
    a.change(&alice(), Change { block, ..Change::default() }).await.unwrap();

    let more = Change { block: names(&["one too many"]), ..Change::default() };
    assert!(matches!(b.change(&alice(), more.clone()).await, Err(Error::Full(_))));
    let unblock = Change { unblock: names(&["user 7", "not blocked"]), ..more };
    let changed = b.change(&alice(), unblock).await.unwrap();
    assert_eq!(a.settings(&alice()).await.unwrap(), changed);
    assert!(changed.blocked.contains("one too many") && !changed.blocked.contains("user 7"));
    assert!(!changed.do_not_disturb);
}

pub(crate) async fn changes_of_settings_at_once_are_all_kept(world: &impl World) {
    let nodes = three(world).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..30 {
        let bus = nodes[number % 3].0.clone();
        let block = vec![format!("user {number}")];
        tasks.spawn(async move {
            bus.change(&alice(), Change { block, ..Change::default() }).await.unwrap();
        });
    }
    tasks.join_all().await;

    assert_eq!(nodes[0].0.settings(&alice()).await.unwrap().blocked.len(), 30);
}

pub(crate) async fn notices_are_held_until_taken_back(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    let expires_ms = in_an_hour();
    for number in 1..=3 {
        a.hold(&alice(), notice(number, expires_ms)).await.unwrap();
    }
    let again = Notice { body: "again".to_owned(), ..notice(1, expires_ms) };
    b.hold(&alice(), again.clone()).await.unwrap();
    let held = [notice(2, expires_ms), notice(3, expires_ms), again];
    assert_eq!(b.notices(&alice()).await.unwrap(), held);

    assert!(b.take_back(&alice(), "NO_2").await.unwrap());
    assert!(!a.take_back(&alice(), "NO_2").await.unwrap());
    assert_eq!(a.notices(&alice()).await.unwrap(), held[1..]);
    assert_eq!(a.notices(&User::new("acme", "bob")).await.unwrap(), []);
}

pub(crate) async fn only_the_newest_notices_are_held(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let expires_ms = in_an_hour();
    for number in 0..55 {
        a.hold(&alice(), notice(number, expires_ms)).await.unwrap();
    }

    let held = a.notices(&alice()).await.unwrap();
    let newest: Vec<Notice> = (5..55).map(|number| notice(number, expires_ms)).collect();
    assert_eq!(held, newest);
}

pub(crate) async fn expired_notices_are_gone(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let soon = in_an_hour() - 3_600_000 + 400;
    a.hold(&alice(), notice(1, soon)).await.unwrap();
    a.hold(&alice(), notice(2, in_an_hour())).await.unwrap();
    assert_eq!(a.notices(&alice()).await.unwrap().len(), 2);
    tokio::time::sleep(Duration::from_millis(600)).await;

    let left = a.notices(&alice()).await.unwrap();
    assert_eq!(left.iter().map(|notice| notice.id.as_str()).collect::<Vec<_>>(), ["NO_2"]);
    assert!(!a.take_back(&alice(), "NO_1").await.unwrap());
}

pub(crate) async fn names_and_texts_have_bounds(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    let long = "x".repeat(257);
    let refused = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Length(_))), "{result:?}");
    };
    refused(a.register(&User::new("", "alice"), session("1", "A")).await);
    refused(a.register(&User::new("acme", &long), session("1", "A")).await);
    refused(a.register(&alice(), session("", "A")).await);
    refused(a.register(&alice(), session("1", &long)).await);
    refused(a.send("a", vec![0; (128 << 10) + 1]).await);
    refused(a.hold(&alice(), Notice { body: "x".repeat(5_000), ..notice(1, 1) }).await);
    refused(a.keep("").await);
    refused(a.push("", "key", Vec::new()).await.map(drop));

    for number in 0..32 {
        a.register(&alice(), session(&number.to_string(), "Alice")).await.unwrap();
    }
    let one_more = a.register(&alice(), session("32", "Alice")).await;
    assert!(matches!(one_more, Err(Error::Full(_))), "{one_more:?}");
}
