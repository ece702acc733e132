//! A server with a replica, watched by three Sentinels; the server is killed.

use super::server::{Server, free_port, wait_for};
use super::{OnRedis, in_real_time, rounds, until};
use crate::conformance::{self, message, node, session};
use crate::scratch::Scratch;
use signalling_bus::{Change, Link, User};
use std::time::Duration;

const NAME: &str = "main";

/// Servers and their Sentinels.
struct Watched {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    _files: Scratch,
}

impl Watched {
    fn start() -> Self {
        let first = Server::start(&[]);
        let port = first.port.to_string();
        let second = Server::start(&["--replicaof", &format!("127.0.0.1 {port}")]);
        let files = Scratch::made();
        let sentinels: Vec<Server> = (0..3).map(|n| sentinel(&files, n, &port)).collect();
        wait_for("the replica", || second.ask("INFO replication").contains("link_status:up"));
        for sentinel in &sentinels {
            wait_for("the Sentinels to know each other and the replica", || {
                let info = sentinel.ask("INFO sentinel");
                info.contains("slaves=1,sentinels=3") && info.contains("status=ok")
            });
        }

        Self { servers: vec![first, second], sentinels, _files: files }
    }

    fn world(&self) -> OnRedis {
        let ports = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port));
        let hosts = ports.collect::<Vec<_>>().join(",");

        OnRedis::at(&format!("redis+sentinel://{hosts}/{NAME}"))
    }
}

fn sentinel(files: &Scratch, number: usize, watched: &str) -> Server {
    let port = free_port();
    let file = files.0.join(format!("sentinel-{number}.conf"));
    let text = format!(
        "port {port}\nsentinel monitor {NAME} 127.0.0.1 {watched} 2\n\
         sentinel down-after-milliseconds {NAME} 500\nsentinel failover-timeout {NAME} 3000\n"
    );
    std::fs::write(&file, text).unwrap();

    Server::start_on(port, &[file.to_str().unwrap(), "--sentinel"])
}

#[test]
fn the_suite_by_sentinels() {
    let watched = Watched::start();
    in_real_time(async {
        let empty = || drop(watched.servers[0].ask("FLUSHALL"));
        conformance::all(&watched.world(), empty).await;
    });
}

#[test]
fn a_killed_server_is_replaced() {
    for _ in 0..rounds() {
        replace_a_killed_server();
    }
}

fn replace_a_killed_server() {
    let mut watched = Watched::start();
    in_real_time(async {
        let world = watched.world();
        let (a, mut a_events) = node(&world, "a").await;
        let (b, mut b_events) = node(&world, "b").await;
        let alice = User::new("acme", "alice");
        a.register(&alice, session("1", "Alice")).await.unwrap();
        let block = Change { block: vec!["bob".to_owned()], ..Change::default() };
        let settings = a.change(&alice, block).await.unwrap();
        b.push("queue", "call", b"payload".to_vec()).await.unwrap();
        a.keep("demo").await.unwrap();
        wait_for("the replica to have it all", || {
            watched.servers[1].ask("EXISTS millrace:room:{demo}") == ":1"
        });

        watched.servers[0].kill();
        until(&a, Link::Down).await;
        until(&a, Link::Up).await;
        until(&b, Link::Up).await;
        assert_eq!(watched.servers[1].ask("ROLE"), "*3", "the replica is the master now");

        assert_eq!(b.whereis(&alice).await.unwrap().len(), 1);
        assert_eq!(b.settings(&alice).await.unwrap(), settings);
        assert_eq!(b.find("demo").await.unwrap().expect("the room").name, "a");
        let job = a.claim("queue", "a", Duration::from_secs(9)).await.unwrap().expect("the job");
        a.done(&job).await.unwrap();
        a.send("b", b"hello".to_vec()).await.unwrap();
        assert_eq!(message(&mut b_events).await.1, b"hello");
        b.send("a", b"hello".to_vec()).await.unwrap();
        assert_eq!(message(&mut a_events).await.1, b"hello");
    });
}
