//! STUN messages (RFC 8489) with the attributes of TURN (RFC 8656), its mobility (RFC 8016), ICE
//! (RFC 8445) and NAT behaviour discovery (RFC 5780).
//!
//! Getters say `Err(Malformed)` where a request with such a value is refused, and `None` where the
//! attribute is absent. Getters of text say `None` for what is not text.

pub mod attribute;
pub mod binding;
mod credentials;
mod discovery;
mod ice;
mod integrity;
mod message;
mod turn;
mod writer;

pub use attribute::Malformed;
pub use credentials::{PasswordAlgorithm, PasswordAlgorithms, USERHASH_LEN, userhash};
pub use discovery::ChangeRequest;
pub use integrity::{IntegrityKey, IntegrityKeySha256};
pub use message::{Attributes, ErrorCode, Message, TypeList};
pub use turn::{Family, Icmp, XorAddresses};
pub use writer::Writer;

/// Bytes of a message's header.
pub const HEADER_LEN: usize = 20;

/// Attributes that a message may have; one with more is refused.
pub const ATTRIBUTES_MAX: usize = 64;

/// RFC 8489, section 5.
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

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
    /// Binding: the checks of ICE (RFC 8489, section 18.2).
    pub const BINDING: Self = Self(0x001);
    /// Allocate (RFC 8656, section 17).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh (RFC 8656, section 17).
    pub const REFRESH: Self = Self(0x004);
    /// Send, an indication (RFC 8656, section 17).
    pub const SEND: Self = Self(0x006);
    /// Data, an indication (RFC 8656, section 17).
    pub const DATA: Self = Self(0x007);
    /// CreatePermission (RFC 8656, section 17).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// ChannelBind (RFC 8656, section 17).
    pub const CHANNEL_BIND: Self = Self(0x009);
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
