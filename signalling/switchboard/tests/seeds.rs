//! Replays the fuzz targets' committed seeds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fuzzing;
#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[test]
fn every_committed_seed_holds() {
    replay::replay(&fuzzing::TARGETS);
}
