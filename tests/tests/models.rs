//! Calls in virtual time whose every frame is checked by a model decoder: no break in sequence,
//! time or picture ids, no frame without what it builds on, through layer switches and loss.

mod crowd;

use crowd::{Crowd, SECOND};
use millrace_tests::model::Report;
use millrace_tests::{Source, Trick, seeds};

/// Weathers storms. So many frames, switches of layers and lost packets must they bring each, in
/// the mean: one of many seeds may be a mild one.
fn weather(
    count: u64,
    (size, publishers): (usize, usize),
    source: Source,
    (frames, switches, lost): (u64, u64, u64),
) {
    let (mut sum, mut storms) = (Report::default(), 0);
    for seed in seeds(count) {
        let mut crowd = Crowd::gather(seed, size, publishers, source);
        crowd.storm(10 * SECOND);
        crowd.calm();
        sum.add(&crowd.check());
        storms += 1;
    }
    let mean = [sum.frames, sum.switches, sum.lost].map(|count| count / storms);
    let enough = mean[0] > frames && mean[1] > switches && mean[2] > lost;

    assert!(enough, "no storm: {mean:?} in the mean");
}

#[test]
fn fifty_people_weather_a_storm() {
    weather(2, (50, 12), Source::SimulcastCamera, (50_000, 80, 500));
}

#[test]
fn h264_in_layers_weathers_a_storm() {
    weather(1, (20, 8), Source::H264Camera, (10_000, 8, 100));
}

#[test]
fn vp9_with_layers_in_one_stream_weathers_a_storm() {
    weather(1, (20, 8), Source::Vp9Camera, (10_000, 8, 100));
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
