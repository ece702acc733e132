//! AES_CM_128_HMAC_SHA1_80 for SRTP and SRTCP (RFC 3711, sections 4.1.1 and 4.2.1).

use super::cipher::{ENCRYPTED, RTCP_HEADER_LEN};
use super::kdf::SessionKeys;
use super::profile::{INDEX_LEN, SHA1_TAG_LEN};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

/// A counter-mode key with its salt, and an authentication key.
pub(super) struct Cm {
    cipher: EncryptingKey,
    salt: [u8; 14],
    // ring's SHA-1 takes three times as long as aws-lc's.
    authentication: hmac::Key,
}

impl Cm {
    pub(super) fn new(keys: &SessionKeys) -> Self {
        let cipher = UnboundCipherKey::new(&AES_128, keys.key())
            .and_then(EncryptingKey::ctr)
            .expect("session keys have this length");
        let authentication =
            hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.authentication);

        Self { cipher, salt: keys.salt, authentication }
    }

    pub(super) fn seal_rtp(&self, ssrc: u32, index: u64, header_len: usize, packet: &mut [u8]) {
        let (packet, tag) = packet.split_at_mut(packet.len() - SHA1_TAG_LEN);
        self.apply_key_stream(ssrc, index, &mut packet[header_len..]);
        tag.copy_from_slice(&self.tag(packet, &roll_over_counter(index)));
    }

    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Option<usize> {
        let plain_len = packet.len().checked_sub(SHA1_TAG_LEN)?;
        let (packet, tag) = packet.split_at_mut(plain_len);
        let payload_len = plain_len.checked_sub(header_len)?;
        let expected = self.tag(packet, &roll_over_counter(index));
        verify_slices_are_equal(&expected, tag).ok()?;
        self.apply_key_stream(ssrc, index, &mut packet[plain_len - payload_len..]);

        Some(plain_len)
    }

    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) {
        let (packet, tag) = packet.split_at_mut(packet.len() - SHA1_TAG_LEN);
        let (plain, index_field) = packet.split_at_mut(packet.len() - INDEX_LEN);
        index_field.copy_from_slice(&(index | ENCRYPTED).to_be_bytes());
        self.apply_key_stream(ssrc, index.into(), &mut plain[RTCP_HEADER_LEN..]);
        tag.copy_from_slice(&self.tag(packet, &[]));
    }

    pub(super) fn open_rtcp(&self, ssrc: u32, word: u32, packet: &mut [u8]) -> Option<usize> {
        let (packet, tag) = packet.split_at_mut_checked(packet.len().checked_sub(SHA1_TAG_LEN)?)?;
        verify_slices_are_equal(&self.tag(packet, &[]), tag).ok()?;
        let plain_len = packet.len().checked_sub(INDEX_LEN)?;
        if word & ENCRYPTED != 0 {
            let index = word & !ENCRYPTED;
            let payload = packet.get_mut(RTCP_HEADER_LEN..plain_len)?;
            self.apply_key_stream(ssrc, index.into(), payload);
        }

        Some(plain_len)
    }

    /// The key stream's first block is numbered by salt, SSRC and packet index.
    fn apply_key_stream(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let number = u128::from(ssrc) << 64 | u128::from(index) << 16;
        let mut counter = number.to_be_bytes();
        for (byte, salt) in counter.iter_mut().zip(&self.salt) {
            *byte ^= salt;
        }
        self.cipher
            .less_safe_encrypt(bytes, EncryptionContext::Iv128(counter.into()))
            .expect("counter mode takes any length");
    }

    fn tag(&self, packet: &[u8], suffix: &[u8]) -> [u8; SHA1_TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(suffix);
        let mut tag = [0; SHA1_TAG_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..SHA1_TAG_LEN]);

        tag
    }
}

/// The upper 32 bits of the 48-bit packet index.
fn roll_over_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
