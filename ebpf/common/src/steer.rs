//! Which shard a datagram is for: the one that the user name fragment of an ICE check names (RFC
//! 8445, section 7.2.2), else that of its flow. A wrong guess costs a hand-over, no more.

use crate::bytes::part;

/// What STUN messages begin with: a Binding request (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// The magic cookie (RFC 8489, section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Bytes of a STUN header.
const HEADER_LEN: u32 = 20;

/// The attribute USERNAME (RFC 8489, section 14.3).
const USERNAME: u16 = 6;

/// Attributes that are looked at: browsers put USERNAME among the first.
const ATTRIBUTES_MAX: u32 = 8;

/// Characters of our user name fragments; the first two are the shard's number.
const UFRAG_LEN: usize = 10;

/// Which of the datagrams between two addresses make a flow. Browsers have media and TURN on one
/// socket, and perhaps at two shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// DTLS, RTP and RTCP.
    Media,
    /// ChannelData, and STUN that is no ICE check.
    Turn,
}

impl Kind {
    /// The kind of a datagram that begins with this byte (RFC 7983, section 7).
    #[inline(always)]
    pub fn of(first: u8) -> Self {
        if matches!(first, 0..=3 | 64..=127) { Self::Turn } else { Self::Media }
    }

    /// What a flow's key has in place of a channel.
    #[inline(always)]
    pub fn channel(self) -> [u8; 2] {
        match self {
            Self::Media => [0, 0],
            Self::Turn => [0, 1],
        }
    }
}

/// A datagram of which parts can be copied.
pub trait Datagram {
    /// `N` bytes from this offset of the UDP payload.
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]>;
}

/// Why a shard was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Choice {
    /// Its flow is bound to it.
    Flow,
    /// An ICE check names it.
    Check,
    /// Nothing says: the kernel's hash chooses.
    Hash,
    /// The address has no such shard.
    Missing,
}

impl Choice {
    /// Every choice, in the order of its counters.
    pub const ALL: &[Self] = &[Self::Flow, Self::Check, Self::Hash, Self::Missing];

    /// The label of its metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Check => "check",
            Self::Hash => "hash",
            Self::Missing => "missing",
        }
    }
}

/// The shard that an ICE check is for; `None` if it is none, or not of ours.
#[inline(always)]
pub fn shard_of_check(datagram: &impl Datagram) -> Option<u16> {
    let start: [u8; 8] = datagram.load(0)?;
    let request = u16::from_ne_bytes(part(&start, 0)) == u16::from_ne_bytes(BINDING_REQUEST);
    let cookie = u32::from_ne_bytes(part(&start, 4)) == u32::from_ne_bytes(COOKIE);
    if !(request && cookie) {
        return None;
    }
    let mut at = HEADER_LEN;
    for _ in 0..ATTRIBUTES_MAX {
        let header: [u8; 4] = datagram.load(at)?;
        let len = u32::from(u16::from_be_bytes(part(&header, 2)));
        if u16::from_be_bytes(part(&header, 0)) == USERNAME {
            if len as usize <= UFRAG_LEN {
                return None;
            }
            let username: [u8; UFRAG_LEN + 1] = datagram.load(at + 4)?;
            return shard_of(&username);
        }
        at += 4 + ((len + 3) & !3);
    }

    None
}

/// The shard that the start of a check's USERNAME names: our fragment and the colon behind it.
#[inline(always)]
fn shard_of(username: &[u8; UFRAG_LEN + 1]) -> Option<u16> {
    let (high, low) = (digit(username[0]), digit(username[1]));
    if username[UFRAG_LEN] != b':' || high > 31 || low > 31 {
        return None;
    }

    Some(high << 5 | low)
}

/// What an ice-char stands for; beyond 31 if for nothing: 0 to 9, then a to v.
#[inline(always)]
fn digit(character: u8) -> u16 {
    let (decimal, letter) = (character.wrapping_sub(b'0'), character.wrapping_sub(b'a'));
    if decimal < 10 {
        return decimal.into();
    }
    if letter < 22 {
        return u16::from(letter) + 10;
    }

    u16::MAX
}
