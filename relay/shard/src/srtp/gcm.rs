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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::hex;

    const RTP_SSRC: u32 = 0x5501_a0b2;
    const RTP_INDEX: u64 = 0xf17b;
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
        69736120 696e2070 61727465 73207472 6573";
    const RTCP_SSRC: u32 = 0x4d61_7273;
    const RTCP_INDEX: u32 = 0x5d4;
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef";

    /// The keys of RFC 7714, section 16: bytes 0, 1, 2 ... and "Quid pro quo".
    fn gcm(key_len: u8) -> Gcm {
        let key: Vec<u8> = (0..key_len).collect();
        Gcm::new(&SessionKeys::of_gcm(&key, b"Quid pro quo"))
    }

    fn rtp_becomes(gcm: &Gcm, expected: &str) {
        let mut packet = hex(RTP);
        let plain_len = packet.len();
        packet.resize(plain_len + GCM_TAG_LEN, 0);

        gcm.seal_rtp(RTP_SSRC, RTP_INDEX, 12, &mut packet);

        assert_eq!(packet, hex(expected));
        assert_eq!(gcm.open_rtp(RTP_SSRC, RTP_INDEX, 12, &mut packet), Some(plain_len));
        assert_eq!(packet[..plain_len], hex(RTP));
    }

    fn rtcp_becomes(gcm: &Gcm, expected: &str) {
        let mut packet = hex(RTCP);
        let plain_len = packet.len();
        packet.resize(plain_len + GCM_TAG_LEN + INDEX_LEN, 0);

        gcm.seal_rtcp(RTCP_SSRC, RTCP_INDEX, &mut packet);

        assert_eq!(packet, hex(expected));
        let opened = gcm.open_rtcp(RTCP_SSRC, RTCP_INDEX | ENCRYPTED, &mut packet);
        assert_eq!(opened, Some(plain_len));
        assert_eq!(packet[..plain_len], hex(RTCP));
    }

    #[test]
    fn rtp_is_sealed_as_in_rfc_7714_section_16() {
        rtp_becomes(
            &gcm(16),
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
             42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
        rtp_becomes(
            &gcm(32),
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3
             b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
    }

    #[test]
    fn rtcp_is_sealed_as_in_rfc_7714_section_17() {
        rtcp_becomes(
            &gcm(16),
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1
             730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        );
        rtcp_becomes(
            &gcm(32),
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1
             110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        );
    }

    #[test]
    fn rtcp_without_encryption_is_opened_as_in_rfc_7714_section_17_3() {
        let mut packet = hex(RTCP);
        packet.extend(hex("841dd968 3dd78ec9 2ae58790 125f62b3 000005d4"));

        let opened = gcm(16).open_rtcp(RTCP_SSRC, RTCP_INDEX, &mut packet);

        assert_eq!(opened, Some(hex(RTCP).len()));
        assert_eq!(packet[..hex(RTCP).len()], hex(RTCP));
    }
}
