//! Connection quality in calls in virtual time: whose line is bad, is said to be connected badly.

use livekit_protocol::ConnectionQuality::{self, Excellent, Good, Poor};
use livekit_protocol::signal_request::Message;
use millrace_tests::{Network, Source, World, seeds};
use std::time::Duration;

/// Long enough for two receiver reports (str0m sends one each 5 s), and to be told what they say.
const MEASURED: Duration = Duration::from_secs(20);
const CLEAR: Network = line(0.0, 20);

const fn line(loss: f32, delay_ms: u64) -> Network {
    Network {
        loss,
        repeat: 0.0,
        reorder: 0,
        delay: Duration::from_millis(delay_ms),
        jitter: Duration::ZERO,
        burst: 0.0,
    }
}

/// Lets time pass while both ping, as SDKs do: who is silent is taken for lost.
fn run(world: &mut World, time: Duration) {
    for _ in 0..time.as_secs() / 5 {
        for identity in ["ann", "bob"] {
            world.client(identity).request(Message::Ping(1));
        }
        world.run(Duration::from_secs(5));
    }
}

/// What `to` was last told of `of`, whose other is `other`.
fn told(world: &mut World, to: &str, of: &str, other: &str) -> ConnectionQuality {
    let others = world.client(other).others.values();
    let sid = others.filter(|info| info.identity == of).map(|info| info.sid.clone()).next();
    let sid = sid.expect("a participant of that name");
    world.client(to).quality.get(&sid).expect("a grade").quality()
}

fn call(seed: u64, sources: &[Source]) -> World {
    let mut world = World::new(seed, CLEAR);
    for identity in ["ann", "bob"] {
        world.join(identity);
        sources.iter().for_each(|source| world.publish(identity, *source));
    }

    world
}

#[test]
fn who_is_connected_badly_is_told_so_and_so_are_the_others() {
    for seed in seeds(2) {
        let mut world = call(seed, &[Source::Microphone, Source::Camera]);
        let rows = [
            (CLEAR, Excellent),
            (line(0.04, 20), Good),
            (line(0.12, 20), Poor),
            (CLEAR, Excellent),
            (line(0.0, 450), Good),
        ];
        for (network, expected) in rows {
            world.client("bob").set_network(network, seed);
            run(&mut world, MEASURED);
            for to in ["ann", "bob"] {
                let grade = told(&mut world, to, "bob", "ann");
                assert_eq!(grade, expected, "seed {seed}: {network:?}, told to {to}");
            }
        }
    }
}

/// What is lost of sound is lost for good: it leaves holes in what everybody else is sent.
#[test]
fn what_a_publishers_line_loses_is_not_the_listeners_loss() {
    for seed in seeds(2) {
        let mut world = call(seed, &[Source::Microphone]);
        world.client("bob").set_network(line(0.3, 20), seed);
        run(&mut world, MEASURED);

        assert_eq!(told(&mut world, "ann", "bob", "ann"), Poor, "seed {seed}");
        assert_eq!(told(&mut world, "ann", "ann", "bob"), Excellent, "seed {seed}");
    }
}
