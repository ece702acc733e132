//! What a datagram is, told by its first bytes.

/// The protocols that share one UDP port (RFC 7983, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// STUN or TURN (RFC 8489, RFC 8656).
    Stun,
    /// TURN's ChannelData (RFC 8656, section 12.4).
    Channel,
    /// DTLS (RFC 6347, RFC 9147).
    Dtls,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// None of these, or empty.
    Unknown,
}

impl Kind {
    /// Tells a datagram's kind by its first byte, RTCP from RTP by its second (RFC 5761, section
    /// 4).
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [64..=127, ..] => Self::Channel,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}
