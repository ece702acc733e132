//! A room of fifty voices: everybody hears whoever speaks, and is told who it is.

use millrace_tests::{Network, Source, World, seeds};
use relay_wire::control::Kind;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PEOPLE: usize = 50;
/// How many speak at a time.
const SPEAKING: usize = 4;

fn name(number: usize) -> String {
    format!("v{}", number % PEOPLE)
}

/// Fifty with microphones, all of them muted.
fn assembly(seed: u64) -> World {
    let (delay, jitter) = (Duration::from_millis(30), Duration::from_millis(6));
    let network = Network { delay, jitter, loss: 0.02, burst: 1.5, ..Default::default() };
    let mut world = World::of_models(seed, network);
    for number in 0..PEOPLE {
        world.join(&name(number));
        world.publish(&name(number), Source::Microphone);
        world.run(Duration::from_millis(10));
    }
    world.run(SECOND * 2);
    (0..PEOPLE).for_each(|number| world.client(&name(number)).mute(Kind::Audio, true));
    world.run(SECOND);

    world
}

#[test]
fn fifty_people_hear_and_know_who_speaks() {
    for seed in seeds(1) {
        let mut world = assembly(seed);
        for turn in 0..3 {
            let speaking: Vec<_> = (0..SPEAKING).map(|n| name(turn * 7 + n * 11)).collect();
            speaking.iter().for_each(|name| world.client(name).mute(Kind::Audio, false));
            world.run(SECOND * 2);
            check(&mut world, seed, &speaking);
            speaking.iter().for_each(|name| world.client(name).mute(Kind::Audio, true));
        }
    }
}

/// Asserts that everybody is told these speakers, and gets what they say.
fn check(world: &mut World, seed: u64, speaking: &[String]) {
    let now = world.now();
    for listener in (0..PEOPLE).map(name) {
        let client = world.client(&listener);
        let told: BTreeSet<_> = client.speakers.iter().collect();
        assert_eq!(told, speaking.iter().collect(), "seed {seed}: {listener} is told others");
        for screen in client.screens() {
            let (publisher, report) = (&screen.publisher, screen.decoder.report());
            assert_eq!(report.faults, [""; 0], "seed {seed}: {listener} <- {publisher}");
            let heard = report.last.is_some_and(|last| now - last < SECOND / 2);
            assert_eq!(
                heard,
                speaking.contains(publisher),
                "seed {seed}: {listener} <- {publisher}"
            );
        }
        let heard = client.screens().filter(|s| speaking.contains(&s.publisher)).count();
        assert_eq!(heard, SPEAKING - usize::from(speaking.contains(&listener)), "seed {seed}");
    }
}
