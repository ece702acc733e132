#![no_main]

#[path = "../../../relay/wire/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::medialog(bytes));
