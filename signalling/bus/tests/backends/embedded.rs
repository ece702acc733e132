//! The suite against the embedded backend, in virtual time; and what only that has: its file.

use crate::conformance::{self, World, timings};
use crate::scratch::Scratch;
use signalling_bus::{Bus, Change, Embedded, Event, Node, Notice, User};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

struct InProcess(Embedded);

impl World for InProcess {
    async fn join(&self, node: Node) -> (Bus, Receiver<Event>) {
        self.0.join(node)
    }
}

fn in_virtual_time(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(test);
}

fn run(test: impl AsyncFnOnce(&InProcess)) {
    in_virtual_time(async {
        let scratch = Scratch::new();
        let world = InProcess(Embedded::open(Some(&scratch.0), timings()).unwrap());
        test(&world).await;
    });
}

conformance::cases!(conformance::as_tests);

#[test]
fn what_is_to_last_outlives_the_process() {
    in_virtual_time(async {
        let scratch = Scratch::new();
        let open = || Embedded::open(Some(&scratch.0), timings()).unwrap();
        let alice = User::new("acme", "alice");
        let notice =
            Notice { id: "NO_1".to_owned(), body: "missed".to_owned(), expires_ms: u64::MAX };
        let first = open();
        assert!(Embedded::open(Some(&scratch.0), timings()).is_err(), "two processes, one file");
        let (bus, _events) = first.join(Node::named("a"));
        let change =
            Change { do_not_disturb: Some(true), block: vec!["bob".to_owned()], unblock: vec![] };
        let settings = bus.change(&alice, change).await.unwrap();
        bus.hold(&alice, notice.clone()).await.unwrap();
        for key in ["done", "held", "waiting"] {
            bus.push("queue", key, key.into()).await.unwrap();
        }
        let job = bus.claim("queue", "a", Duration::from_secs(60)).await.unwrap().unwrap();
        bus.done(&job).await.unwrap();
        bus.claim("queue", "a", Duration::from_secs(60)).await.unwrap().unwrap();
        drop((bus, first));

        let second = open();
        let (bus, _events) = second.join(Node::named("a"));
        assert_eq!(bus.settings(&alice).await.unwrap(), settings);
        assert_eq!(bus.notices(&alice).await.unwrap(), [notice]);
        let waiting = bus.claim("queue", "a", Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!((waiting.key.as_str(), waiting.attempt), ("waiting", 1));
        tokio::time::sleep(Duration::from_secs(61)).await;
        let held = bus.claim("queue", "a", Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!((held.key.as_str(), held.attempt), ("held", 2));
    });
}

#[test]
fn the_file_stays_small() {
    in_virtual_time(async {
        let scratch = Scratch::new();
        let embedded = Embedded::open(Some(&scratch.0), timings()).unwrap();
        let (bus, _events) = embedded.join(Node::named("a"));
        for number in 0..64 {
            bus.push("queue", &format!("job {number}"), vec![7; 64 << 10]).await.unwrap();
            let job = bus.claim("queue", "a", Duration::from_secs(60)).await.unwrap().unwrap();
            bus.done(&job).await.unwrap();
        }
        let bytes = std::fs::metadata(scratch.0.join("bus.journal")).unwrap().len();
        assert!(bytes < 2 << 20, "{bytes} bytes for nothing");
    });
}

#[test]
fn a_full_queue_refuses() {
    in_virtual_time(async {
        let embedded = Embedded::open(None, timings()).unwrap();
        let (bus, _events) = embedded.join(Node::named("a"));
        for number in 0..10_000 {
            assert!(bus.push("queue", &number.to_string(), Vec::new()).await.unwrap());
        }
        let one_more = bus.push("queue", "one more", Vec::new()).await;
        assert!(matches!(one_more, Err(signalling_bus::Error::Full(_))), "{one_more:?}");
        assert!(bus.push("another", "job", Vec::new()).await.unwrap());
    });
}
