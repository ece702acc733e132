//! SRTP by libsrtp2, the implementation in browsers.

use anyhow::{Context, Result};
use dimpl::SrtpProfile;
use srtp::{CryptoPolicy, Error, Session, StreamPolicy};

/// Packets that may come out of order without being taken for repeated ones.
const WINDOW: u64 = 1_024;

/// Both directions of a connection.
pub(crate) struct Keys {
    outbound: Session,
    inbound: Session,
    /// What the handshake agreed on.
    pub(crate) profile: &'static str,
    overhead: usize,
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It came before.
    Repeated,
    /// It was changed on the way, or is of another key.
    Unauthentic,
}

impl Keys {
    /// Divides what the handshake exported (RFC 5764, section 4.2); `active` is its client.
    pub(super) fn new(material: &[u8], profile: SrtpProfile, active: bool) -> Result<Self> {
        let (policy, key, salt, overhead, name) = match profile {
            SrtpProfile::AEAD_AES_256_GCM => {
                (CryptoPolicy::aes_gcm_256_16_auth(), 32, 12, 16, "AEAD_AES_256_GCM")
            }
            SrtpProfile::AEAD_AES_128_GCM => {
                (CryptoPolicy::aes_gcm_128_16_auth(), 16, 12, 16, "AEAD_AES_128_GCM")
            }
            _ => (CryptoPolicy::aes_cm_128_hmac_sha1_80(), 16, 14, 10, "AES128_CM_HMAC_SHA1_80"),
        };
        let master = |index: usize| -> Result<Vec<u8>> {
            let key_bytes = material.get(index * key..(index + 1) * key);
            let start = 2 * key + index * salt;
            let salt_bytes = material.get(start..start + salt);
            let parts = key_bytes.zip(salt_bytes).context("the handshake's keys are too short")?;
            Ok([parts.0, parts.1].concat())
        };
        let (client, server) = (master(0)?, master(1)?);
        let (ours, theirs) = if active { (client, server) } else { (server, client) };
        let policy = |key| StreamPolicy {
            rtp: policy,
            rtcp: policy,
            key,
            window_size: WINDOW,
            ..Default::default()
        };

        Ok(Self {
            outbound: Session::with_outbound_template(policy(&ours)).context("libsrtp")?,
            inbound: Session::with_inbound_template(policy(&theirs)).context("libsrtp")?,
            profile: name,
            overhead,
        })
    }

    /// Bytes by which protection makes an RTP packet longer.
    pub(crate) fn overhead(&self) -> usize {
        self.overhead
    }

    /// Protects an RTP packet in place.
    pub(crate) fn protect(&mut self, packet: &mut Vec<u8>) -> bool {
        self.outbound.protect(packet).is_ok()
    }

    /// Protects a compound RTCP packet in place.
    pub(crate) fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.outbound.protect_rtcp(packet).is_ok()
    }

    /// Makes an RTP packet plain, in place.
    pub(crate) fn unprotect(&mut self, packet: &mut Vec<u8>) -> Result<(), Refusal> {
        self.inbound.unprotect(packet).map_err(Refusal::of)
    }

    /// Makes a compound RTCP packet plain, in place.
    pub(crate) fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refusal> {
        self.inbound.unprotect_rtcp(packet).map_err(Refusal::of)
    }
}

impl Refusal {
    fn of(error: Error) -> Self {
        if [Error::REPLAY_FAIL, Error::REPLAY_OLD].contains(&error) {
            Self::Repeated
        } else {
            Self::Unauthentic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [(SrtpProfile, usize); 3] = [
        (SrtpProfile::AES128_CM_SHA1_80, 60),
        (SrtpProfile::AEAD_AES_128_GCM, 56),
        (SrtpProfile::AEAD_AES_256_GCM, 88),
    ];

    #[test]
    fn packets_pass_both_ways_and_repeated_or_changed_ones_are_told_apart() {
        for (profile, len) in PROFILES {
            let material: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let mut client = Keys::new(&material, profile, true).unwrap();
            let mut server = Keys::new(&material, profile, false).unwrap();
            let plain = [&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[5; 40]].concat();
            for backwards in [false, true] {
                let (from, to) = match backwards {
                    false => (&mut client, &mut server),
                    true => (&mut server, &mut client),
                };
                let mut packet = plain.clone();
                assert!(from.protect(&mut packet));
                let (mut again, mut flipped) = (packet.clone(), packet.clone());
                flipped[20] ^= 1;

                assert_eq!(to.unprotect(&mut flipped), Err(Refusal::Unauthentic));
                assert_eq!(to.unprotect(&mut packet), Ok(()));
                assert_eq!(to.unprotect(&mut again), Err(Refusal::Repeated));
                assert_eq!(packet, plain);
            }
        }
    }

    #[test]
    fn too_few_bytes_of_keys_are_refused() {
        for (profile, len) in PROFILES {
            assert!(Keys::new(&vec![1; len - 1], profile, true).is_err());
        }
    }
}
