//! TURN as the process has it: settings, quotas over all shards, the operator's questions.

mod desk;
mod ledger;
mod settings;
mod surroundings;

pub(crate) use desk::Desk;
pub(crate) use ledger::Books;
pub use settings::{Quotas, TurnSettings};
pub(crate) use surroundings::Surroundings;
