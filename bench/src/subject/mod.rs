//! The servers that are measured: our own, other people's as adapters describe them.

mod adapter;
mod peer;
mod process;
mod template;

pub(crate) use adapter::{Adapter, Kind};
pub(crate) use peer::{Turn, answers_binding};
pub(crate) use process::{Process, leash};
