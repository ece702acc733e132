//! What SRTP refuses: repeats, strangers, too many sources, garbage.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use relay_shard::{DropReason, Profile, SrtpEgress, SrtpIngress, from_keying_material};

const PROFILES: [Profile; 3] =
    [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

/// A transport's two ends under a fixed key.
fn ends(profile: Profile, ssrcs_max: usize) -> (SrtpEgress, SrtpIngress) {
    let material: Vec<u8> = (0..profile.material_len() as u8).collect();
    let (client, _) = from_keying_material(profile, &material).unwrap();

    (
        SrtpEgress::new(profile, client.key, client.salt),
        SrtpIngress::new(profile, client.key, client.salt, ssrcs_max),
    )
}

fn header(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut header = vec![0x80, 96];
    header.extend(sequence.to_be_bytes());
    header.extend([0; 4]);
    header.extend(ssrc.to_be_bytes());

    header
}

fn protect(egress: &mut SrtpEgress, ssrc: u32, sequence: u16) -> Result<Vec<u8>, DropReason> {
    let header = header(ssrc, sequence);
    let mut slot = vec![0; header.len() + 5 + egress.profile().rtp_overhead()];
    egress.protect(&header, b"he", b"llo", &mut slot)?;

    Ok(slot)
}

#[test]
fn keying_material_is_split_into_keys_then_salts() {
    let material: Vec<u8> = (0..56).collect();

    let (client, server) = from_keying_material(Profile::AeadAes128Gcm, &material).unwrap();

    assert_eq!(client.key, &material[..16]);
    assert_eq!(server.key, &material[16..32]);
    assert_eq!(client.salt, &material[32..44]);
    assert_eq!(server.salt, &material[44..56]);
    assert!(from_keying_material(Profile::AeadAes256Gcm, &material).is_none());
}

#[test]
fn sequence_number_is_sent_once() {
    for profile in PROFILES {
        let (mut egress, _) = ends(profile, 8);
        protect(&mut egress, 1, 700).unwrap();
        protect(&mut egress, 1, 702).unwrap();

        assert_eq!(protect(&mut egress, 1, 700), Err(DropReason::SrtpRepeated));
        assert!(protect(&mut egress, 1, 701).is_ok());
        assert!(protect(&mut egress, 2, 700).is_ok());
    }
}

#[test]
fn sources_beyond_the_limit_replace_the_silent_ones_and_strangers_do_not() {
    for profile in PROFILES {
        let (mut egress, mut ingress) = ends(profile, 2);
        for stranger in 100..200 {
            let mut forged = [header(stranger, 1), vec![7; 40]].concat();
            assert_eq!(ingress.unprotect(&mut forged), Err(DropReason::SrtpUnauthentic));
        }
        for ssrc in [1, 2] {
            let mut packet = protect(&mut egress, ssrc, 1).unwrap();
            assert!(ingress.unprotect(&mut packet).is_ok());
        }

        let third = protect(&mut egress, 3, 1).unwrap();
        assert!(ingress.unprotect(&mut third.clone()).is_ok());
        for ssrc in [2, 1, 3] {
            let mut again = protect(&mut egress, ssrc, 2).unwrap();
            assert!(ingress.unprotect(&mut again).is_ok(), "{ssrc}");
        }
    }
}

#[test]
fn a_source_that_made_room_for_others_is_not_heard_twice() {
    for profile in PROFILES {
        let (mut egress, mut ingress) = ends(profile, 2);
        let recorded: Vec<_> = (1..5).map(|n| protect(&mut egress, 1, n * 100).unwrap()).collect();
        for packet in &recorded {
            assert!(ingress.unprotect(&mut packet.clone()).is_ok());
        }
        // Room for two, and for the ends of 1024 others.
        for ssrc in 2..1027 {
            let mut packet = protect(&mut egress, ssrc, 1).unwrap();
            assert!(ingress.unprotect(&mut packet).is_ok(), "{ssrc}");
        }
        let mut beyond = protect(&mut egress, 1027, 1).unwrap();
        assert_eq!(ingress.unprotect(&mut beyond), Err(DropReason::SsrcLimit));

        for mut packet in recorded {
            assert_eq!(ingress.unprotect(&mut packet), Err(DropReason::SrtpReplay));
        }
        let mut next = protect(&mut egress, 1, 401).unwrap();
        assert!(ingress.unprotect(&mut next).is_ok());
    }
}

#[test]
fn packet_seen_before_is_refused_even_if_it_is_late() {
    for profile in PROFILES {
        let (mut egress, mut ingress) = ends(profile, 8);
        let early = protect(&mut egress, 1, 10).unwrap();
        let late = protect(&mut egress, 1, 500).unwrap();
        for mut packet in [late.clone(), early.clone()] {
            assert!(ingress.unprotect(&mut packet).is_ok());
        }

        for mut packet in [early, late] {
            assert_eq!(ingress.unprotect(&mut packet), Err(DropReason::SrtpReplay));
        }
    }
}

#[test]
fn header_that_contradicts_its_length_is_not_sent() {
    let (mut egress, _) = ends(Profile::AeadAes128Gcm, 8);
    let mut with_csrc = header(1, 1);
    with_csrc[0] |= 1;
    let mut slot = [0; 12 + 16];

    assert_eq!(egress.protect(&with_csrc, &[], &[], &mut slot), Err(DropReason::Malformed));
    let mut slot = [0; 4 + 20];
    assert_eq!(egress.protect_rtcp(&[0x80, 201, 0, 0], &mut slot), Err(DropReason::Malformed));
}

proptest! {
    #[test]
    fn random_packets_are_refused_without_a_panic(
        mut packet in proptest::collection::vec(any::<u8>(), 0..200),
        looks_like_rtp in any::<bool>(),
    ) {
        if let (true, Some(first)) = (looks_like_rtp, packet.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        for profile in PROFILES {
            let (_, mut ingress) = ends(profile, 8);
            prop_assert!(ingress.unprotect(&mut packet.clone()).is_err());
            prop_assert!(ingress.unprotect_rtcp(&mut packet.clone()).is_err());
        }
    }

    #[test]
    fn random_headers_are_sent_or_refused_without_a_panic(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        payload in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        for profile in PROFILES {
            let (mut egress, mut ingress) = ends(profile, 8);
            let mut slot = vec![0; header.len() + payload.len() + profile.rtp_overhead()];
            if egress.protect(&header, &[], &payload, &mut slot).is_ok() {
                let len = ingress.unprotect(&mut slot).unwrap();
                prop_assert_eq!(&slot[..len], [&header[..], &payload].concat());
            }
        }
    }
}
