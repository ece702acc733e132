//! The Data Channel Establishment Protocol (RFC 8832, section 5).

use crate::bytes::{Sink, u16_at, u32_at};

/// DATA_CHANNEL_ACK (RFC 8832, section 5.2).
pub const ACK: [u8; 1] = [0x02];

/// DATA_CHANNEL_OPEN's message type.
const OPEN: u8 = 0x03;

/// Bytes of DATA_CHANNEL_OPEN in front of label and protocol.
const OPEN_LEN: usize = 12;

/// The bit of the channel type that says "unordered".
const UNORDERED: u8 = 0x80;

/// A message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dcep<'a> {
    /// Opens the channel on whose stream it comes.
    Open(Open<'a>),
    /// Says that the channel is open.
    Ack,
}

impl<'a> Dcep<'a> {
    /// Reads a message.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        match *message.first()? {
            OPEN => Open::parse(message).map(Self::Open),
            first if [first] == ACK => Some(Self::Ack),
            _ => None,
        }
    }
}

/// How hard a channel tries (RFC 8832, section 5.1: channel type and reliability parameter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Until it arrives.
    Reliable,
    /// At most this many times more.
    Retransmits(u32),
    /// For at most this many milliseconds.
    LifetimeMs(u32),
}

/// DATA_CHANNEL_OPEN (RFC 8832, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// How hard the channel tries.
    pub reliability: Reliability,
    /// Weight among the channels (RFC 8831, section 6.4).
    pub priority: u16,
    /// The channel's name.
    pub label: &'a str,
    /// The subprotocol.
    pub protocol: &'a str,
}

impl<'a> Open<'a> {
    /// Writes the message at the front of `buffer` and returns its length; `None` if it does not
    /// fit, or a text has more than 65535 bytes.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let (kind, parameter) = match self.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::Retransmits(count) => (1, count),
            Reliability::LifetimeMs(lifetime_ms) => (2, lifetime_ms),
        };
        let kind = if self.ordered { kind } else { kind | UNORDERED };
        let mut sink = Sink::new(buffer);
        sink.put(&[OPEN, kind]);
        sink.put(&self.priority.to_be_bytes());
        sink.put(&parameter.to_be_bytes());
        sink.put(&u16::try_from(self.label.len()).ok()?.to_be_bytes());
        sink.put(&u16::try_from(self.protocol.len()).ok()?.to_be_bytes());
        sink.put(self.label.as_bytes());
        sink.put(self.protocol.as_bytes());

        sink.finish()
    }

    fn parse(message: &'a [u8]) -> Option<Self> {
        let kind = *message.get(1)?;
        let parameter = u32_at(message, 4)?;
        let label_len = usize::from(u16_at(message, 8)?);
        let protocol_len = usize::from(u16_at(message, 10)?);
        let (label, protocol) = message.get(OPEN_LEN..)?.split_at_checked(label_len)?;
        let reliability = match kind & !UNORDERED {
            0 => Reliability::Reliable,
            1 => Reliability::Retransmits(parameter),
            2 => Reliability::LifetimeMs(parameter),
            _ => return None,
        };

        Some(Self {
            ordered: kind & UNORDERED == 0,
            reliability,
            priority: u16_at(message, 2)?,
            label: str::from_utf8(label).ok()?,
            protocol: str::from_utf8(protocol.get(..protocol_len)?).ok()?,
        })
    }
}
