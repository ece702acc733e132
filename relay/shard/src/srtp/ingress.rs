//! What a transport receives: authenticated, decrypted, seen once.

use super::Profile;
use super::cipher::{Cipher, ENCRYPTED, RTCP_HEADER_LEN};
use super::header;
use super::kdf;
use super::profile::{INDEX_LEN, SHA1_TAG_LEN};
use super::streams::Streams;
use crate::DropReason;

/// One transport's receiving side of SRTP and SRTCP.
pub struct SrtpIngress {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl SrtpIngress {
    /// Keys for what the remote side sends, and room for `ssrcs_max` of its SSRCs (and as many
    /// SSRCs of RTCP senders).
    ///
    /// # Panics
    /// If `key` or `salt` does not have the profile's length.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8], ssrcs_max: usize) -> Self {
        let (rtp, rtcp) = kdf::derive(profile, key, salt);
        Self {
            profile,
            rtp: Cipher::new(profile, &rtp),
            rtcp: Cipher::new(profile, &rtcp),
            rtp_streams: Streams::new(ssrcs_max),
            rtcp_streams: Streams::new(ssrcs_max),
        }
    }

    /// Unprotects an SRTP packet in place (RFC 3711, section 3.3) and returns the length of the
    /// plain one; an SSRC is remembered only once a packet of it was authentic.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let header = header::parse_rtp(packet).ok_or(DropReason::Malformed)?;
        if packet.len() < header.len + self.profile.rtp_overhead() {
            return Err(DropReason::Malformed);
        }
        let cipher = &self.rtp;

        self.rtp_streams.with(header.ssrc, |window| {
            let index = window.guess(header.sequence);
            if !window.is_fresh(index) {
                return Err(DropReason::SrtpReplay);
            }
            let len = cipher
                .open_rtp(header.ssrc, index, header.len, packet)
                .ok_or(DropReason::SrtpUnauthentic)?;
            window.mark(index);

            Ok(len)
        })
    }

    /// Unprotects an SRTCP packet in place (RFC 3711, section 3.4) and returns the length of the
    /// plain one; encryption may be off, authentication may not.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        if packet.len() < RTCP_HEADER_LEN + self.profile.rtcp_overhead() {
            return Err(DropReason::Malformed);
        }
        let ssrc = header::rtcp_ssrc(packet).ok_or(DropReason::Malformed)?;
        let word = self.index_word(packet).ok_or(DropReason::Malformed)?;
        let index = (word & !ENCRYPTED).into();
        let cipher = &self.rtcp;

        self.rtcp_streams.with(ssrc, |window| {
            if !window.is_fresh(index) {
                return Err(DropReason::SrtpReplay);
            }
            let len = cipher.open_rtcp(ssrc, word, packet).ok_or(DropReason::SrtpUnauthentic)?;
            window.mark(index);

            Ok(len)
        })
    }

    /// E flag and index: behind the tag with GCM, in front of it without.
    fn index_word(&self, packet: &[u8]) -> Option<u32> {
        let end = match self.profile {
            Profile::AeadAes256Gcm | Profile::AeadAes128Gcm => packet.len(),
            Profile::Aes128CmSha1_80 => packet.len().checked_sub(SHA1_TAG_LEN)?,
        };

        packet.get(..end)?.last_chunk::<INDEX_LEN>().map(|word| u32::from_be_bytes(*word))
    }
}
