//! AEAD_AES_128_GCM and AEAD_AES_256_GCM for SRTP and SRTCP (RFC 7714).

use super::cipher::{ENCRYPTED, RTCP_HEADER_LEN};
use super::kdf::SessionKeys;
use super::profile::{GCM_TAG_LEN, INDEX_LEN};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// An AEAD key with its salt.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(keys: &SessionKeys) -> Self {
        let algorithm = if keys.key().len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, keys.key()).expect("session keys have this length");
        let mut salt = [0; 12];
        salt.copy_from_slice(&keys.salt[..12]);

        Self { key: LessSafeKey::new(key), salt }
    }

    pub(super) fn seal_rtp(&self, ssrc: u32, index: u64, header_len: usize, packet: &mut [u8]) {
        let (packet, tag) = packet.split_at_mut(packet.len() - GCM_TAG_LEN);
        let (header, payload) = packet.split_at_mut(header_len);
        self.seal(self.rtp_nonce(ssrc, index), header, payload, tag);
    }

    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Option<usize> {
        let (header, sealed) = packet.split_at_mut_checked(header_len)?;
        let payload = self
            .key
            .open_in_place(self.rtp_nonce(ssrc, index), Aad::from(&*header), sealed)
            .ok()?;

        Some(header_len + payload.len())
    }

    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) {
        let word = (index | ENCRYPTED).to_be_bytes();
        let (packet, trailer) = packet.split_at_mut(packet.len() - GCM_TAG_LEN - INDEX_LEN);
        let (tag, index_field) = trailer.split_at_mut(GCM_TAG_LEN);
        let (header, payload) = packet.split_at_mut(RTCP_HEADER_LEN);
        let mut aad = [0; RTCP_HEADER_LEN + INDEX_LEN];
        aad[..RTCP_HEADER_LEN].copy_from_slice(header);
        aad[RTCP_HEADER_LEN..].copy_from_slice(&word);

        self.seal(self.rtcp_nonce(ssrc, index), &aad, payload, tag);
        index_field.copy_from_slice(&word);
    }

    pub(super) fn open_rtcp(&self, ssrc: u32, word: u32, packet: &mut [u8]) -> Option<usize> {
        let nonce = self.rtcp_nonce(ssrc, word & !ENCRYPTED);
        let sealed_len = packet.len().checked_sub(INDEX_LEN)?;
        if word & ENCRYPTED == 0 {
            return self.authenticate_plain_rtcp(nonce, packet);
        }
        let mut aad = [0; RTCP_HEADER_LEN + INDEX_LEN];
        aad[..RTCP_HEADER_LEN].copy_from_slice(packet.get(..RTCP_HEADER_LEN)?);
        aad[RTCP_HEADER_LEN..].copy_from_slice(&word.to_be_bytes());
        let sealed = packet.get_mut(RTCP_HEADER_LEN..sealed_len)?;
        let payload = self.key.open_in_place(nonce, Aad::from(aad), sealed).ok()?;

        Some(RTCP_HEADER_LEN + payload.len())
    }

    /// An SRTCP packet that is authenticated only: all but the tag is associated data, the index
    /// included (RFC 7714, section 9.3). The index moves in front of the tag for that.
    fn authenticate_plain_rtcp(&self, nonce: Nonce, packet: &mut [u8]) -> Option<usize> {
        let plain_len = packet.len().checked_sub(GCM_TAG_LEN + INDEX_LEN)?;
        packet.get_mut(plain_len..)?.rotate_right(INDEX_LEN);
        let (aad, tag) = packet.split_at_mut(plain_len + INDEX_LEN);
        self.key.open_in_place(nonce, Aad::from(&*aad), tag).ok()?;

        Some(plain_len)
    }

    fn seal(&self, nonce: Nonce, aad: &[u8], payload: &mut [u8], tag_field: &mut [u8]) {
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), payload)
            .expect("a datagram is shorter than GCM's limit of 64 GiB");
        tag_field.copy_from_slice(tag.as_ref());
    }

    /// Two zero bytes, SSRC, roll-over counter, sequence number; salted (RFC 7714, section 8.1).
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index))
    }

    /// Two zero bytes, SSRC, two zero bytes, index; salted (RFC 7714, section 9.1).
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index))
    }

    fn nonce(&self, number: u128) -> Nonce {
        let mut nonce = self.salt;
        for (byte, number) in nonce.iter_mut().zip(&number.to_be_bytes()[4..]) {
            *byte ^= number;
        }

        Nonce::assume_unique_for_key(nonce)
    }
}
