//! Replays the fuzz targets' committed seeds.

mod fuzzing;
#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[test]
fn every_committed_seed_holds() {
    replay::replay(fuzzing::TARGETS);
}
