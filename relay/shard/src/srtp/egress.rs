//! What a transport sends: encrypted straight into the outbox, each index once.

use super::Profile;
use super::cipher::{Cipher, ENCRYPTED, RTCP_HEADER_LEN};
use super::header;
use super::kdf;
use super::streams::Streams;
use crate::DropReason;

/// SSRCs that one transport sends at most in its life. None is forgotten: a second use of its
/// first indices would repeat nonces.
const SSRCS_MAX: usize = 16_384;

/// One transport's sending side of SRTP and SRTCP.
pub struct SrtpEgress {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    streams: Streams,
    rtcp_index: u32,
}

impl SrtpEgress {
    /// Keys for what we send.
    ///
    /// # Panics
    /// If `key` or `salt` does not have the profile's length.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Self {
        let (rtp, rtcp) = kdf::derive(profile, key, salt);
        Self {
            profile,
            rtp: Cipher::new(profile, &rtp),
            rtcp: Cipher::new(profile, &rtcp),
            streams: Streams::new(SSRCS_MAX),
            rtcp_index: 0,
        }
    }

    /// The profile, whose overheads are what a slot needs beyond the plain packet.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Writes a protected RTP packet over all of `slot` (RFC 3711, section 3.3): `header` in clear,
    /// extensions included, then `prefix` and `payload` encrypted, then the tag.
    ///
    /// A sequence number is protected once: sent again with any other header it would repeat a
    /// nonce, which gives a GCM key away. Retransmissions go by RTX.
    ///
    /// # Panics
    /// If `slot` is not as long as the three parts and `Profile::rtp_overhead`.
    pub fn protect(
        &mut self,
        header: &[u8],
        prefix: &[u8],
        payload: &[u8],
        slot: &mut [u8],
    ) -> Result<(), DropReason> {
        let plain_len = header.len() + prefix.len() + payload.len();
        assert_eq!(slot.len(), plain_len + self.profile.rtp_overhead(), "length of the slot");
        let parsed = header::parse_rtp(header).ok_or(DropReason::Malformed)?;
        let (cipher, header_len) = (&self.rtp, header.len());
        if parsed.len != header_len {
            return Err(DropReason::Malformed);
        }

        self.streams.with(parsed.ssrc, |window| {
            let index = window.guess(parsed.sequence);
            if !window.is_fresh(index) {
                return Err(DropReason::SrtpRepeated);
            }
            window.mark(index);
            let (prefix_at, payload_at) = (header_len, header_len + prefix.len());
            slot[..prefix_at].copy_from_slice(header);
            slot[prefix_at..payload_at].copy_from_slice(prefix);
            slot[payload_at..plain_len].copy_from_slice(payload);
            cipher.seal_rtp(parsed.ssrc, index, header_len, slot);

            Ok(())
        })
    }

    /// Writes a protected compound RTCP packet over all of `slot` (RFC 3711, section 3.4).
    ///
    /// # Panics
    /// If `slot` is not as long as `compound` and `Profile::rtcp_overhead`.
    pub fn protect_rtcp(&mut self, compound: &[u8], slot: &mut [u8]) -> Result<(), DropReason> {
        let plain_len = compound.len();
        assert_eq!(slot.len(), plain_len + self.profile.rtcp_overhead(), "length of the slot");
        let ssrc = header::rtcp_ssrc(compound).ok_or(DropReason::Malformed)?;
        if plain_len < RTCP_HEADER_LEN || self.rtcp_index == ENCRYPTED {
            return Err(DropReason::Malformed);
        }

        // One count for all senders' SSRCs: each of them sees its indices grow.
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        slot[..plain_len].copy_from_slice(compound);
        self.rtcp.seal_rtcp(ssrc, index, slot);

        Ok(())
    }
}
