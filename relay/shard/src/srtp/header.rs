//! The few header fields that SRTP needs.

/// What protection depends on in an RTP header (RFC 3550, section 5.1).
pub(super) struct RtpHeader {
    /// Sequence number.
    pub(super) sequence: u16,
    /// Synchronization source.
    pub(super) ssrc: u32,
    /// Bytes that stay in clear: fixed header, contributing sources, header extension.
    pub(super) len: usize,
}

/// Reads an RTP header; `None` when the version is wrong or the packet ends before its header.
pub(super) fn parse_rtp(packet: &[u8]) -> Option<RtpHeader> {
    let [flags, _, q0, q1, _, _, _, _, s0, s1, s2, s3, rest @ ..] = packet else { return None };
    if flags >> 6 != 2 {
        return None;
    }
    let mut len = 12 + 4 * usize::from(flags & 0x0f);
    if flags & 0x10 != 0 {
        let [_, _, w0, w1] = *rest.get(len - 12..)?.first_chunk()?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([w0, w1]));
    }
    let header = RtpHeader {
        sequence: u16::from_be_bytes([*q0, *q1]),
        ssrc: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
        len,
    };

    (len <= packet.len()).then_some(header)
}

/// The sender's SSRC of a compound RTCP packet (RFC 3550, section 6.1).
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let [flags, _, _, _, s0, s1, s2, s3, ..] = packet else { return None };

    (flags >> 6 == 2).then(|| u32::from_be_bytes([*s0, *s1, *s2, *s3]))
}
