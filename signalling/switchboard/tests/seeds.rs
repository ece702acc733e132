//! Replays the fuzz targets' committed seeds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fuzzing;

use std::fs;
use std::path::Path;

#[test]
fn every_committed_seed_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds");
    for (name, target) in fuzzing::TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(seeds.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{name} has seeds");
    }
}
