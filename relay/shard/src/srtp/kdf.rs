//! Session keys from a master key (RFC 3711, section 4.3; RFC 6188 for 256-bit keys).

use super::Profile;
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// Length of an HMAC-SHA1 session key in bytes.
const AUTH_KEY_LEN: usize = 20;
/// The two labels of each kind of key: SRTP's, and SRTCP's behind it (RFC 3711, section 4.3.2).
const RTP_LABELS: Labels = Labels { encryption: 0, authentication: 1, salt: 2 };
const RTCP_LABELS: Labels = Labels { encryption: 3, authentication: 4, salt: 5 };

struct Labels {
    encryption: u8,
    authentication: u8,
    salt: u8,
}

/// What one direction of SRTP, or of SRTCP, works with.
pub(super) struct SessionKeys {
    key: [u8; 32],
    key_len: usize,
    /// Used by the profiles without AEAD only.
    pub(super) authentication: [u8; AUTH_KEY_LEN],
    /// The GCM profiles use the first 12 bytes.
    pub(super) salt: [u8; 14],
}

impl SessionKeys {
    /// Session keys as RFC 7714's examples give them, not derived.
    #[cfg(test)]
    pub(super) fn of_gcm(session_key: &[u8], session_salt: &[u8]) -> Self {
        let (mut key, mut salt) = ([0; 32], [0; 14]);
        key[..session_key.len()].copy_from_slice(session_key);
        salt[..12].copy_from_slice(session_salt);

        Self { key, key_len: session_key.len(), authentication: [0; AUTH_KEY_LEN], salt }
    }

    /// The encryption key: 16 or 32 bytes.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.key_len]
    }
}

/// Session keys of SRTP and of SRTCP, in this order.
///
/// # Panics
/// If `key` or `salt` does not have the profile's length.
pub(super) fn derive(profile: Profile, key: &[u8], salt: &[u8]) -> (SessionKeys, SessionKeys) {
    assert_eq!(key.len(), profile.key_len(), "length of the master key");
    assert_eq!(salt.len(), profile.salt_len(), "length of the master salt");
    let prf = Prf::new(key, salt);

    (prf.session_keys(key.len(), &RTP_LABELS), prf.session_keys(key.len(), &RTCP_LABELS))
}

/// The AES-CM pseudo-random function with a key derivation rate of zero.
struct Prf {
    cipher: EncryptingKey,
    salt: [u8; 14],
}

impl Prf {
    fn new(key: &[u8], salt: &[u8]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
        let cipher = UnboundCipherKey::new(algorithm, key)
            .and_then(EncryptingKey::ctr)
            .expect("a key of the length asserted above is taken");
        // A 96-bit salt is used as if zeros followed it (RFC 7714, section 11).
        let mut padded = [0; 14];
        padded[..salt.len()].copy_from_slice(salt);

        Self { cipher, salt: padded }
    }

    fn session_keys(&self, key_len: usize, labels: &Labels) -> SessionKeys {
        let mut keys =
            SessionKeys { key: [0; 32], key_len, authentication: [0; AUTH_KEY_LEN], salt: [0; 14] };
        self.fill(labels.encryption, &mut keys.key[..key_len]);
        self.fill(labels.authentication, &mut keys.authentication);
        self.fill(labels.salt, &mut keys.salt);

        keys
    }

    fn fill(&self, label: u8, output: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        counter[7] ^= label;
        self.cipher
            .less_safe_encrypt(output, EncryptionContext::Iv128(counter.into()))
            .expect("counter mode takes any length");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::hex;

    #[test]
    fn keys_derive_as_in_rfc_3711_appendix_b3() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");

        let (rtp, _) = derive(Profile::Aes128CmSha1_80, &key, &salt);

        assert_eq!(rtp.key(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(rtp.salt.to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        assert_eq!(rtp.authentication.to_vec(), authentication);
    }

    #[test]
    fn keys_of_256_bits_derive_as_in_rfc_6188_section_7_4() {
        let key = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
        let salt = hex("3b04803de51ee7c96423ab5b78d2");
        let prf = Prf::new(&key, &salt);

        let keys = prf.session_keys(32, &RTP_LABELS);

        let encryption = hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
        assert_eq!(keys.key(), encryption);
        assert_eq!(keys.salt.to_vec(), hex("fa31791685ca444a9e07c6c64e93"));
        let authentication = hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
        assert_eq!(keys.authentication.to_vec(), authentication);
    }
}
