//! A publisher of layers within one stream: how its frames refer to one another, and the
//! dependency descriptors that tell it. Written after the specification, not after our reader.
#![allow(dead_code, reason = "each test uses a part")]

mod mode;
mod writer;

#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use mode::{Frame, Inter, Mode, Picture};
#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use writer::{Descriptor, Structure, Template};

/// Indications as they are written.
pub(crate) const NOT_PRESENT: u8 = 0;
pub(crate) const DISCARDABLE: u8 = 1;
pub(crate) const SWITCH: u8 = 2;
pub(crate) const REQUIRED: u8 = 3;
