#![no_main]

#[path = "../../../relay/shard/tests/turn/client.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod client;
#[path = "../../../relay/shard/tests/turn/history.rs"]
mod history;
#[path = "../../../relay/shard/tests/turn/model.rs"]
mod model;
#[path = "../../../relay/shard/tests/turn/steps.rs"]
mod steps;
#[path = "../../../relay/shard/tests/turn/told.rs"]
mod told;
#[path = "../../../relay/shard/tests/turn/world.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod world;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| history::run(bytes));
