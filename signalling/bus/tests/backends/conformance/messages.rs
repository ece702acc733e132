//! Messages between nodes.

use super::{World, await_event, message, node, three};
use signalling_bus::{Error, Event};

pub(crate) async fn messages_come_in_order_and_once(world: &impl World) {
    let [(a, _), (b, _), (c, mut events)] = three(world).await;
    let sending = |bus: signalling_bus::Bus| {
        tokio::spawn(async move {
            for number in 0..200u8 {
                bus.send("c", vec![number]).await.unwrap();
            }
        })
    };
    let senders = [sending(a), sending(b)];
    let mut next = std::collections::BTreeMap::from([("a".to_owned(), 0), ("b".to_owned(), 0)]);
    for _ in 0..400 {
        let (from, payload) = message(&mut events).await;
        let expected = next.get_mut(&from).expect("a sender");
        assert_eq!(payload, [*expected], "from {from}");
        *expected += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }

    c.send("c", b"last".to_vec()).await.unwrap();
    assert_eq!(message(&mut events).await.1, b"last");
}

pub(crate) async fn a_node_that_is_not_there_is_an_error(world: &impl World) {
    let (a, _events) = node(world, "a").await;

    assert_eq!(a.send("b", vec![1]).await, Err(Error::NodeAway("b".to_owned())));
}

pub(crate) async fn a_node_that_does_not_listen_is_full_in_the_end(world: &impl World) {
    let (a, _a_events) = node(world, "a").await;
    let (_b, mut events) = node(world, "b").await;
    let mut sent = 0u32;
    let refused = loop {
        match a.send("b", sent.to_be_bytes().to_vec()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 20_000, "the inbox has no bound");
    };
    assert!(matches!(refused, Error::Full(_)), "{refused:?}");

    for number in 0..sent {
        assert_eq!(message(&mut events).await.1, number.to_be_bytes());
    }
    a.send("b", b"again".to_vec()).await.unwrap();
    assert_eq!(message(&mut events).await.1, b"again");
}

pub(crate) async fn news_reach_those_who_follow(world: &impl World) {
    let [(a, mut a_events), (b, mut b_events), (c, mut c_events)] = three(world).await;
    a.follow("acme").await.unwrap();
    b.follow("acme").await.unwrap();
    c.follow("other").await.unwrap();
    a.publish("acme", b"one".to_vec()).await.unwrap();

    let (tenant, from) = ("acme".to_owned(), "a".to_owned());
    let news = Event::Published { tenant, from, payload: b"one".to_vec() };
    await_event(&mut b_events, |event| (event == news).then_some(())).await;

    b.unfollow("acme").await.unwrap();
    a.publish("acme", b"two".to_vec()).await.unwrap();
    for (name, events) in [("a", &mut a_events), ("b", &mut b_events), ("c", &mut c_events)] {
        a.send(name, b"end".to_vec()).await.unwrap();
        let is_end = await_event(events, |event| match event {
            Event::Published { .. } => Some(false),
            Event::Message { .. } => Some(true),
            _ => None,
        })
        .await;
        assert!(is_end, "{name} heard what it does not follow");
    }
}

pub(crate) async fn nothing_old_reaches_a_node_that_starts_anew(world: &impl World) {
    let (a, _a_events) = node(world, "a").await;
    let (_old, old_events) = node(world, "b").await;
    for _ in 0..3 {
        a.send("b", b"old".to_vec()).await.unwrap();
    }
    drop(old_events);
    let (_b, mut events) = node(world, "b").await;
    a.send("b", b"new".to_vec()).await.unwrap();

    assert_eq!(message(&mut events).await.1, b"new");
}

pub(crate) async fn a_message_to_oneself_arrives(world: &impl World) {
    let (a, mut events) = node(world, "a").await;
    a.send("a", b"note".to_vec()).await.unwrap();

    assert_eq!(message(&mut events).await, ("a".to_owned(), b"note".to_vec()));
}
