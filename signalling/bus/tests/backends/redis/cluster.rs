//! Six servers, three of them with a third of the keys each; one is killed.

use super::server::{Server, free_port, wait_for};
use super::{OnRedis, in_real_time, rounds};
use crate::conformance::{self, message, node, session};
use signalling_bus::{Bus, Change, Error, User};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Users, enough that each third of the keys has many.
const USERS: usize = 60;

struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    fn start() -> Self {
        let servers: Vec<Server> = (0..6).map(|_| member()).collect();
        let hosts: Vec<String> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let joined = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&hosts)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdout(Stdio::null())
            .status()
            .expect("redis-cli is missing: install the package redis-tools");
        assert!(joined.success());
        let cluster = Self { servers };
        for server in &cluster.servers {
            wait_for("the Cluster", || server.ask("CLUSTER INFO").contains("cluster_state:ok"));
            wait_for("the replicas", || {
                let info = server.ask("INFO replication");
                info.contains("role:master") || info.contains("master_link_status:up")
            });
        }

        cluster
    }

    fn world(&self) -> OnRedis {
        let hosts: Vec<String> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();

        OnRedis::at(&format!("redis+cluster://{}", hosts.join(",")))
    }

    /// A server that has keys of its own.
    fn a_master(&mut self) -> &mut Server {
        let is_master =
            |server: &&mut Server| server.ask("INFO replication").contains("role:master");

        self.servers.iter_mut().find(is_master).expect("a master")
    }
}

fn member() -> Server {
    let bus = free_port().to_string();

    Server::start(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        "1000",
        "--cluster-replica-validity-factor",
        "0",
    ])
}

fn user(number: usize) -> User {
    User::new("acme", &format!("user {number}"))
}

/// Asks until Redis is there again.
async fn until_answered<T>(ask: impl AsyncFn() -> Result<T, Error>) -> T {
    let answered = async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(Error::Away) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };

    tokio::time::timeout(Duration::from_secs(40), answered).await.expect("an answer in time")
}

#[test]
fn the_suite_on_a_cluster() {
    let cluster = Cluster::start();
    in_real_time(async {
        let empty = || {
            for server in &cluster.servers {
                server.ask("FLUSHALL");
            }
        };
        conformance::all(&cluster.world(), empty).await;
    });
}

#[test]
fn a_killed_master_is_replaced() {
    for _ in 0..rounds() {
        replace_a_killed_master();
    }
}

fn replace_a_killed_master() {
    let mut cluster = Cluster::start();
    in_real_time(async {
        let world = cluster.world();
        let (a, mut a_events) = node(&world, "a").await;
        let (b, mut b_events) = node(&world, "b").await;
        for number in 0..USERS {
            a.register(&user(number), session(&number.to_string(), "User")).await.unwrap();
            let block = Change { block: vec!["bob".to_owned()], ..Change::default() };
            a.change(&user(number), block).await.unwrap();
            b.push(&format!("queue {number}"), "call", vec![1]).await.unwrap();
        }
        for server in &cluster.servers {
            server.ask("WAIT 1 5000");
        }

        cluster.a_master().kill();
        for number in 0..USERS {
            check(&a, &b, number).await;
        }
        until_answered(async || a.send("b", b"hello".to_vec()).await).await;
        assert_eq!(message(&mut b_events).await.1, b"hello");
        until_answered(async || b.send("a", b"hello".to_vec()).await).await;
        assert_eq!(message(&mut a_events).await.1, b"hello");
    });
}

/// Whether a user is found, with settings and a job, after whatever fail-over.
async fn check(a: &Bus, b: &Bus, number: usize) {
    let places = until_answered(async || match b.whereis(&user(number)).await {
        // The node is put back into the new master as soon as it finds out.
        Ok(places) if places.is_empty() => Err(Error::Away),
        places => places,
    });
    assert_eq!(places.await.len(), 1, "user {number}");
    let settings = until_answered(async || b.settings(&user(number)).await).await;
    assert!(settings.blocked.contains("bob"), "user {number}");
    let queue = format!("queue {number}");
    // A claim whose answer was lost comes back when its lease has ended.
    let claim = async || match a.claim(&queue, "a", Duration::from_millis(500)).await {
        Ok(None) => Err(Error::Away),
        job => job,
    };
    let job = until_answered(claim).await.expect("a job");
    assert_eq!(job.key, "call");
}
