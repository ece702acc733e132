//! Random histories, and those that a fuzzer found worth keeping.

use super::history;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use std::path::Path;

#[test]
fn every_committed_history_goes_as_the_model_says() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/turn_history");
    let mut files = 0;
    for entry in std::fs::read_dir(seeds).unwrap() {
        history::run(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }

    assert!(files > 0);
}

proptest! {
    #[test]
    fn whatever_happens_goes_as_the_model_says(bytes in vec(any::<u8>(), 0..600)) {
        history::run(&bytes);
    }
}
