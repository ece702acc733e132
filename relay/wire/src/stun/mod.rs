//! STUN messages (RFC 8489) with the attributes of ICE (RFC 8445, section 7.1); others by type.

pub mod attribute;
mod integrity;
mod message;
mod writer;

pub use integrity::IntegrityKey;
pub use message::{Attributes, ErrorCode, Message, TypeList};
pub use writer::Writer;

/// Bytes of a message's header.
pub const HEADER_LEN: usize = 20;

/// Attributes that a message may have; one with more is refused.
pub const ATTRIBUTES_MAX: usize = 64;

/// RFC 8489, section 5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Chosen by the requester, echoed in the response (RFC 8489, section 5).
pub type TransactionId = [u8; 12];

/// A message's class (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// Answers a request that was carried out.
    Success,
    /// Answers a request that was refused.
    Error,
}

/// A message's method, 0x000..=0x0ff; those above are reserved, so that the first byte tells STUN
/// from DTLS (RFC 8489, section 18.2; RFC 7983, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(pub u16);

impl Method {
    /// Binding: the checks of ICE.
    pub const BINDING: Self = Self(0x001);
}

/// One more than the highest message type: the method is of eight bits.
const MESSAGE_TYPE_END: u16 = 0x0400;

/// The bits M11-M7 C1 M6-M4 C0 M3-M0 (RFC 8489, figure 3).
fn message_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let Method(method) = method;

    (method & 0xf80) << 2 | (method & 0x070) << 1 | method & 0x00f | class
}

fn class_and_method(message_type: u16) -> (Class, Method) {
    let class = match message_type & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    };
    let method =
        (message_type & 0x3e00) >> 2 | (message_type & 0x00e0) >> 1 | message_type & 0x000f;

    (class, Method(method))
}
