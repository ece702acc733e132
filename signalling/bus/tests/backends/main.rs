//! One suite, run against each backend.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod conformance;
mod embedded;
mod redis;
mod scratch;
