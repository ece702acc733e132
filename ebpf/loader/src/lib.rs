//! The kernel's part of the relay: loads the XDP program, attaches it to interfaces, keeps it
//! pinned, feeds its maps and reads its counters. One thread owns an `Offload`.

mod attach;
mod binding;
mod clock;
mod error;
mod injector;
mod interface;
mod maps;
mod meters;
mod neighbours;
mod offload;
mod pins;
mod placing;
mod sink;
mod slots;
mod steering;
mod test_run;
mod vlan;
mod ways;

pub use attach::{Mode, Options};
pub use binding::{Binding, BindingKey, Counted, Traffic};
pub use ebpf_common::steer::{Choice, Kind};
pub use error::{AttachError, BindError, SteerError};
pub use injector::Injector;
pub use offload::{Offload, REFRESH_EVERY};
pub use pins::detach_all;
pub use sink::Sink;
pub use steering::{Flow, Steering};
pub use test_run::{Action, Ran};
pub use ways::Way;

/// The program, as `make ebpf` builds it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!("../object/millrace.o");

/// Key of what a process keeps for the next one.
pub type RecordKey = [u8; 24];

/// What a process keeps for the next one; what is in it is the caller's affair.
pub type Record = [u8; 1024];
