//! One server, with a password.

use super::{OnRedis, Server, in_real_time};
use crate::conformance;

fn run(test: impl AsyncFnOnce(&OnRedis)) {
    let server = Server::start(&["--requirepass", "p@ss word"]);
    let world = OnRedis::at(&format!("redis://:p%40ss%20word@127.0.0.1:{}/3", server.port));
    in_real_time(test(&world));
}

conformance::cases!(conformance::as_tests);
