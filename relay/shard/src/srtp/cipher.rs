//! One direction's cipher, whichever profile it is of.

use super::Profile;
use super::cm::Cm;
use super::gcm::Gcm;
use super::kdf::SessionKeys;

/// Bytes of a compound packet that stay in clear: the first header and the sender's SSRC.
pub(super) const RTCP_HEADER_LEN: usize = 8;
/// The E flag of SRTCP: the packet is encrypted (RFC 3711, section 3.4).
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// Protects or unprotects RTP, or RTCP, of one direction.
#[expect(clippy::large_enum_variant, reason = "GCM, the usual one, is reached without a detour")]
pub(super) enum Cipher {
    /// RFC 7714.
    Gcm(Gcm),
    /// RFC 3711; boxed, since its key schedules take three times the room of GCM's key.
    Cm(Box<Cm>),
}

impl Cipher {
    pub(super) fn new(profile: Profile, keys: &SessionKeys) -> Self {
        match profile {
            Profile::AeadAes256Gcm | Profile::AeadAes128Gcm => Self::Gcm(Gcm::new(keys)),
            Profile::Aes128CmSha1_80 => Self::Cm(Box::new(Cm::new(keys))),
        }
    }

    /// Encrypts in place what stands behind the header, and writes the tag over the last bytes.
    pub(super) fn seal_rtp(&self, ssrc: u32, index: u64, header_len: usize, packet: &mut [u8]) {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtp(ssrc, index, header_len, packet),
            Self::Cm(cm) => cm.seal_rtp(ssrc, index, header_len, packet),
        }
    }

    /// Authenticates, then decrypts in place; the plain length, or `None` if it is not authentic.
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Option<usize> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtp(ssrc, index, header_len, packet),
            Self::Cm(cm) => cm.open_rtp(ssrc, index, header_len, packet),
        }
    }

    /// Encrypts a compound packet in place and writes index and tag over the last bytes.
    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtcp(ssrc, index, packet),
            Self::Cm(cm) => cm.seal_rtcp(ssrc, index, packet),
        }
    }

    /// Authenticates, then decrypts in place a compound packet at least as long as a header and
    /// the profile's overhead; the plain length, or `None` if it is not authentic.
    pub(super) fn open_rtcp(&self, ssrc: u32, word: u32, packet: &mut [u8]) -> Option<usize> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtcp(ssrc, word, packet),
            Self::Cm(cm) => cm.open_rtcp(ssrc, word, packet),
        }
    }
}
