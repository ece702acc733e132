//! A network that is worse than the real one: between clients and server stands a proxy that loses,
//! delays, repeats, reorders and changes datagrams, and tells what it did.

mod everywhere;
mod line;
mod proxy;
mod spec;
#[cfg(test)]
mod tests;
mod told;

pub(crate) use everywhere::Impairments;
pub(crate) use proxy::{Args, Impaired, run};
pub(crate) use spec::Spec;
pub(crate) use told::Told;
