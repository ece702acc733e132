//! Real Redis servers, and the suite against each way of running them.

mod cluster;
mod outages;
mod sentinel;
mod server;
mod single;
mod tls;

use crate::conformance::{World, timings};
use server::Server;
use signalling_bus::{Bus, Event, Link, Node, Redis};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Nodes on a Redis.
struct OnRedis {
    redis: Redis,
}

impl OnRedis {
    fn at(url: &str) -> Self {
        let redis = Redis::new(url.parse().expect("a URL"), None, timings()).unwrap();

        Self { redis }
    }
}

impl World for OnRedis {
    async fn join(&self, node: Node) -> (Bus, Receiver<Event>) {
        let (bus, events) = self.redis.join(node).await;
        until(&bus, Link::Up).await;

        (bus, events)
    }
}

/// Waits until Redis is there, or away.
async fn until(bus: &Bus, wanted: Link) {
    let mut link = bus.link();
    let reached = link.wait_for(|link| *link == wanted);
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("in time").unwrap();
}

fn in_real_time(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test);
}

/// How often each fail-over is tried.
fn rounds() -> usize {
    std::env::var("BUS_ROUNDS").map_or(1, |text| text.parse().expect("a number of rounds"))
}
