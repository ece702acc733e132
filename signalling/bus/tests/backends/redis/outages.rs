//! Redis goes away and comes back; and what it holds.

use super::server::{Server, free_port};
use super::{OnRedis, in_real_time, until};
use crate::conformance::{World, await_event, message, node, session, timings};
use signalling_bus::{Change, Error, Event, Link, Node, Notice, User};
use std::time::{Duration, Instant};

fn alice() -> User {
    User::new("acme", "alice")
}

fn at(server: &Server) -> OnRedis {
    OnRedis::at(&format!("redis://127.0.0.1:{}", server.port))
}

#[test]
fn what_was_registered_is_put_back_into_an_empty_redis() {
    let mut server = Server::start(&[]);
    in_real_time(async {
        let world = at(&server);
        let (a, mut events) = node(&world, "a").await;
        let (b, mut b_events) = node(&world, "b").await;
        a.register(&alice(), session("1", "Alice")).await.unwrap();
        a.register(&User::new("acme", "left"), session("2", "Left")).await.unwrap();
        a.keep("demo").await.unwrap();
        a.follow("acme").await.unwrap();

        server.kill();
        until(&a, Link::Down).await;
        until(&b, Link::Down).await;
        let bob = User::new("acme", "bob");
        assert_eq!(a.register(&bob, session("3", "Bob")).await, Err(Error::Away));
        assert_eq!(a.remove(&User::new("acme", "left"), "2").await, Err(Error::Away));
        assert_eq!(a.keep("second").await, Err(Error::Away));
        assert_eq!(a.send("b", vec![1]).await, Err(Error::Away));
        assert_eq!(a.push("queue", "key", vec![1]).await, Err(Error::Away));

        server.restart();
        until(&a, Link::Up).await;
        until(&b, Link::Up).await;
        await_event(&mut events, |event| (event == Event::Gap).then_some(())).await;
        for user in [alice(), bob] {
            assert_eq!(b.whereis(&user).await.unwrap().len(), 1, "{user:?}");
        }
        let present = b.present("acme", 10).await.unwrap();
        assert_eq!(present.users.iter().map(|p| &p.identity).collect::<Vec<_>>(), ["alice", "bob"]);
        for room in ["demo", "second"] {
            assert_eq!(b.find(room).await.unwrap().expect("a room").name, "a");
        }
        b.publish("acme", b"news".to_vec()).await.unwrap();
        await_event(&mut events, |event| matches!(event, Event::Published { .. }).then_some(()))
            .await;
        a.send("b", b"again".to_vec()).await.unwrap();
        assert_eq!(message(&mut b_events).await.1, b"again");
    });
}

#[test]
fn nothing_blocks_when_redis_hangs() {
    let server = Server::start(&[]);
    in_real_time(async {
        let world = at(&server);
        let (a, _events) = node(&world, "a").await;
        server.freeze(true);
        let began = Instant::now();
        assert_eq!(a.whereis(&alice()).await, Err(Error::Away));
        assert!(began.elapsed() < timings().deadline * 2, "{:?}", began.elapsed());
        until(&a, Link::Down).await;

        // From now on it is known, and nothing waits any more.
        let began = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(a.whereis(&alice()).await, Err(Error::Away));
        }
        assert!(began.elapsed() < timings().deadline, "{:?}", began.elapsed());
        server.freeze(false);
        until(&a, Link::Up).await;
        assert_eq!(a.whereis(&alice()).await, Ok(Vec::new()));
    });
}

#[test]
fn a_node_may_start_before_redis() {
    let port = free_port();
    in_real_time(async {
        let world = OnRedis::at(&format!("redis://127.0.0.1:{port}"));
        let (a, _events) = world.redis.join(Node::named("a")).await;
        assert_eq!(*a.link().borrow(), Link::Down);
        assert_eq!(a.register(&alice(), session("1", "Alice")).await, Err(Error::Away));

        let _server = Server::start_on(port, &["--port", &port.to_string()]);
        until(&a, Link::Up).await;
        let (b, _b_events) = node(&world, "b").await;
        assert_eq!(b.whereis(&alice()).await.unwrap().len(), 1);
    });
}

#[test]
fn a_wrong_password_is_never_up() {
    let server = Server::start(&["--requirepass", "right"]);
    in_real_time(async {
        let world = OnRedis::at(&format!("redis://:wrong@127.0.0.1:{}", server.port));
        let (a, _events) = world.redis.join(Node::named("a")).await;
        assert_eq!(*a.link().borrow(), Link::Down);
        assert_eq!(a.nodes().await, Err(Error::Away));
    });
}

#[test]
fn one_name_is_one_node() {
    let server = Server::start(&[]);
    in_real_time(async {
        let world = at(&server);
        let (first, mut events) = node(&world, "a").await;
        first.register(&alice(), session("1", "Alice")).await.unwrap();
        let (second, mut second_events) = node(&world, "a").await;

        until(&first, Link::Down).await;
        let out = Err(Error::NodeAway("a".to_owned()));
        assert_eq!(first.register(&alice(), session("2", "Alice")).await, out);
        second.register(&alice(), session("3", "Alice")).await.unwrap();
        let (b, _b_events) = node(&world, "b").await;
        let places = b.whereis(&alice()).await.unwrap();
        assert_eq!(places.iter().map(|p| p.session.id.as_str()).collect::<Vec<_>>(), ["3"]);
        b.send("a", b"to the second".to_vec()).await.unwrap();
        assert_eq!(message(&mut second_events).await.1, b"to the second");
        while let Ok(event) = events.try_recv() {
            assert!(!matches!(event, Event::Message { .. }), "the first one still hears");
        }
    });
}

#[test]
fn a_lost_room_is_told_to_who_kept_it() {
    let mut server = Server::start(&[]);
    in_real_time(async {
        let world = at(&server);
        let (a, mut events) = node(&world, "a").await;
        a.keep("demo").await.unwrap();
        server.kill();
        until(&a, Link::Down).await;
        server.restart();
        // Somebody has the room before its node is back.
        let quick = OnRedis::at(&format!("redis://127.0.0.1:{}", server.port));
        let (b, _b_events) = node(&quick, "b").await;
        if b.keep("demo").await.is_ok() {
            let by = await_event(&mut events, |event| match event {
                Event::RoomTaken { room, by } if room == "demo" => Some(by),
                _ => None,
            });
            assert_eq!(by.await, "b");
        }
        until(&a, Link::Up).await;
        let holder = b.find("demo").await.unwrap().expect("one of them").name;
        let keeps = (a.keep("demo").await.is_ok(), b.keep("demo").await.is_ok());
        assert_eq!(keeps, (holder == "a", holder == "b"));
    });
}

#[test]
fn every_key_has_the_prefix_and_a_life_or_a_bound() {
    let server = Server::start(&[]);
    in_real_time(async {
        let world = at(&server);
        let (a, _events) = world.join(Node::named("a")).await;
        let (b, _b_events) = node(&world, "b").await;
        a.register(&alice(), session("1", "Alice")).await.unwrap();
        a.change(&alice(), Change { block: vec!["bob".to_owned()], ..Change::default() })
            .await
            .unwrap();
        let notice = Notice { id: "1".to_owned(), body: String::new(), expires_ms: u64::MAX };
        a.hold(&alice(), notice).await.unwrap();
        a.follow("acme").await.unwrap();
        a.keep("kept").await.unwrap();
        a.place("placed", "").await.unwrap();
        for key in ["waiting", "held", "failed", "dead"] {
            a.push("queue", key, vec![1]).await.unwrap();
        }
        a.claim("queue", "a", Duration::from_secs(9)).await.unwrap().unwrap();
        let failed = a.claim("queue", "a", Duration::from_secs(9)).await.unwrap().unwrap();
        a.fail(&failed, "no").await.unwrap();
        b.publish("acme", vec![1]).await.unwrap();

        let keys = keys(&server);
        assert!(keys.len() >= 10, "{keys:?}");
        for key in keys {
            assert!(key.starts_with("millrace:"), "{key}");
            let lives: i64 = server.ask(&format!("PTTL {key}"))[1..].parse().unwrap();
            let is_bounded = ["millrace:queue:", "millrace:settings:"];
            let is_bounded = is_bounded.iter().any(|prefix| key.starts_with(prefix));
            // -2: it has gone meanwhile, as an inbox does that was read.
            assert!(lives != -1 || is_bounded, "{key} would stand for ever");
        }
    });
}

fn keys(server: &Server) -> Vec<String> {
    let list = "EVAL \"return table.concat(redis.call('KEYS', '*'), ' ')\" 0";

    server.ask(list).split(' ').map(str::to_owned).collect()
}
