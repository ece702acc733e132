//! The media log: what was recorded of a room, as it came, on a disk (docs/medialog.md).
//!
//! A log is a row of files, a file a row of blocks, a block a row of records. Blocks are aligned as
//! direct I/O needs it, and name their log and number; records carry a checksum each. So what a
//! crash tore or a disk changed costs just that, and a reader goes on behind it.

mod block;
mod body;
mod reader;
mod record;

pub use block::{ALIGNMENT, BLOCK_MAX, Block, LogId};
pub use reader::{Damage, Item, Reader};
pub use record::{
    End, FACT_MAX, Fact, Lost, Mute, PAYLOAD_MAX, Packet, Record, Report, SPEAKERS_MAX, Speakers,
    Start,
};
