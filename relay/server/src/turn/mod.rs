//! TURN as the process has it: settings, quotas over all shards, the operator's questions.

mod settings;

pub use settings::{Quotas, TurnSettings};
