//! Calls in virtual time whose every frame is checked by a model decoder: no break in sequence,
//! time or picture ids, no frame without what it builds on, through layer switches and loss.

mod crowd;

use crowd::{Crowd, SECOND};
use millrace_tests::{Source, Trick, seeds};

#[test]
fn fifty_people_weather_a_storm() {
    for seed in seeds(2) {
        let mut crowd = Crowd::gather(seed, 50, 12, Source::SimulcastCamera);
        crowd.storm(10 * SECOND);
        crowd.calm();
        let sum = crowd.check();

        assert!(sum.frames > 50_000 && sum.switches > 80 && sum.lost > 500, "no storm: {sum:?}");
    }
}

#[test]
fn h264_in_layers_weathers_a_storm() {
    for seed in seeds(1) {
        let mut crowd = Crowd::gather(seed, 20, 8, Source::H264Camera);
        crowd.storm(10 * SECOND);
        crowd.calm();
        let sum = crowd.check();

        assert!(sum.frames > 10_000 && sum.switches > 8 && sum.lost > 100, "no storm: {sum:?}");
    }
}

#[test]
fn vp9_with_layers_in_one_stream_weathers_a_storm() {
    for seed in seeds(1) {
        let mut crowd = Crowd::gather(seed, 20, 8, Source::Vp9Camera);
        crowd.storm(10 * SECOND);
        crowd.calm();
        let sum = crowd.check();

        assert!(sum.frames > 10_000 && sum.switches > 8 && sum.lost > 100, "no storm: {sum:?}");
    }
}

#[test]
fn tricks_of_one_publisher_disturb_nobody_else() {
    for seed in seeds(1) {
        for trick in Trick::ALL {
            let mut crowd = Crowd::gather(seed, 8, 3, Source::SimulcastCamera);
            crowd.let_in(&[trick]);
            crowd.check_undisturbed(4 * SECOND);
            crowd.end_tricks();
            crowd.check();
        }
    }
}

#[test]
fn tricks_of_many_in_a_storm_end_with_them() {
    for seed in seeds(1) {
        let mut crowd = Crowd::gather(seed, 10, 6, Source::SimulcastCamera);
        crowd.let_in(&Trick::ALL);
        crowd.storm(8 * SECOND);
        crowd.end_tricks();
        crowd.calm();
        crowd.check();
    }
}

/// More SSRCs on one connection than the relay has windows for.
#[test]
fn a_publisher_may_change_its_ssrcs_again_and_again() {
    let mut crowd = Crowd::gather(1, 2, 1, Source::SimulcastCamera);
    crowd.let_in(&[Trick::NewSsrcs]);
    crowd.world.run(30 * SECOND);
    crowd.end_tricks();
    crowd.check();
}
