//! The servers that are measured.

mod process;

pub(crate) use process::Process;
