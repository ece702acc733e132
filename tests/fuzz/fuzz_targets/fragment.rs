#![no_main]

#[path = "../../../signalling/switchboard/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::fragment(bytes));
