//! Replays the committed seeds of fuzz targets, as a plain test of the crate that they are of.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

/// A target's function.
type Target = fn(&[u8]);

/// Calls each target with each of its seeds; every target has some.
pub(crate) fn replay(targets: &[(&str, Target)]) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds");
    for (name, target) in targets {
        let mut files = 0;
        for entry in fs::read_dir(seeds.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{name} has seeds");
    }
}
