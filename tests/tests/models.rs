//! Calls in virtual time whose every frame is checked by a model decoder: no break in sequence,
//! time or picture ids, no frame without what it builds on, through layer switches and loss.

mod crowd;

use crowd::{Crowd, SECOND};
use millrace_tests::{Source, seeds};

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

        assert!(sum.frames > 10_000 && sum.switches > 30 && sum.lost > 100, "no storm: {sum:?}");
    }
}
