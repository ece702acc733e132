//! Protection profiles, and how a DTLS handshake's keying material is split for them.

/// An SRTP protection profile (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 3711).
    Aes128CmSha1_80,
}

/// Length of a GCM tag in bytes.
pub(super) const GCM_TAG_LEN: usize = 16;
/// Length of an HMAC-SHA1-80 tag in bytes.
pub(super) const SHA1_TAG_LEN: usize = 10;
/// Length in bytes of the E flag and the 31-bit index behind each SRTCP packet.
pub(super) const INDEX_LEN: usize = 4;

impl Profile {
    /// Bytes of a master key; session encryption keys are as long.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => GCM_TAG_LEN,
            Self::Aes128CmSha1_80 => SHA1_TAG_LEN,
        }
    }

    /// Bytes that protection adds to a compound RTCP packet.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + INDEX_LEN
    }

    /// Bytes of keying material that a handshake must export: two keys and two salts.
    pub const fn material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// One direction's master key and salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey<'a> {
    /// `Profile::key_len` bytes.
    pub key: &'a [u8],
    /// `Profile::salt_len` bytes.
    pub salt: &'a [u8],
}

/// Splits exported keying material into what the DTLS client writes with and what the server
/// writes with (RFC 5764, section 4.2); `None` when there is too little of it.
pub fn from_keying_material(
    profile: Profile,
    material: &[u8],
) -> Option<(MasterKey<'_>, MasterKey<'_>)> {
    let (client_key, rest) = material.split_at_checked(profile.key_len())?;
    let (server_key, rest) = rest.split_at_checked(profile.key_len())?;
    let (client_salt, rest) = rest.split_at_checked(profile.salt_len())?;
    let (server_salt, _) = rest.split_at_checked(profile.salt_len())?;

    Some((
        MasterKey { key: client_key, salt: client_salt },
        MasterKey { key: server_key, salt: server_salt },
    ))
}
