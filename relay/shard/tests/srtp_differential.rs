//! Our SRTP against libsrtp2, the implementation in browsers: same bytes, same verdicts.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_shard::{DropReason, Profile, SrtpEgress, SrtpIngress};
use srtp::{CryptoPolicy, Session, StreamPolicy};

const PROFILES: [Profile; 3] =
    [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];
const SSRCS: [u32; 4] = [1, 0xdead_beef, 0x8000_0000, 0xffff_ffff];
const WINDOW: u64 = 1024;

/// Both implementations with one master key, each sending and receiving.
struct Pair {
    profile: Profile,
    our_egress: SrtpEgress,
    our_ingress: SrtpIngress,
    their_egress: Session,
    their_ingress: Session,
}

impl Pair {
    fn new(profile: Profile, random: &mut StdRng) -> Self {
        let policy = match profile {
            Profile::AeadAes256Gcm => CryptoPolicy::aes_gcm_256_16_auth(),
            Profile::AeadAes128Gcm => CryptoPolicy::aes_gcm_128_16_auth(),
            Profile::Aes128CmSha1_80 => CryptoPolicy::aes_cm_128_hmac_sha1_80(),
        };
        Self::with_policies(profile, policy, policy, random)
    }

    fn with_policies(
        profile: Profile,
        rtp: CryptoPolicy,
        rtcp: CryptoPolicy,
        random: &mut StdRng,
    ) -> Self {
        let mut master = vec![0; profile.key_len() + profile.salt_len()];
        random.fill(&mut master[..]);
        let (key, salt) = master.split_at(profile.key_len());
        let theirs =
            StreamPolicy { rtp, rtcp, key: &master, window_size: WINDOW, ..Default::default() };

        Self {
            profile,
            our_egress: SrtpEgress::new(profile, key, salt),
            our_ingress: SrtpIngress::new(profile, key, salt, 8),
            their_egress: Session::with_outbound_template(theirs).unwrap(),
            their_ingress: Session::with_inbound_template(theirs).unwrap(),
        }
    }

    fn protect(&mut self, plain: &Plain) -> Vec<u8> {
        let (prefix, payload) = plain.payload.split_at(plain.payload.len().min(3));
        let len = plain.header.len() + plain.payload.len() + self.profile.rtp_overhead();
        let mut slot = vec![0xa5; len];
        self.our_egress.protect(&plain.header, prefix, payload, &mut slot).unwrap();
        slot
    }

    fn protect_rtcp(&mut self, compound: &[u8]) -> Vec<u8> {
        let mut slot = vec![0xa5; compound.len() + self.profile.rtcp_overhead()];
        self.our_egress.protect_rtcp(compound, &mut slot).unwrap();
        slot
    }

    fn unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut packet = packet.to_vec();
        let len = self.our_ingress.unprotect(&mut packet)?;
        packet.truncate(len);
        Ok(packet)
    }

    fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut packet = packet.to_vec();
        let len = self.our_ingress.unprotect_rtcp(&mut packet)?;
        packet.truncate(len);
        Ok(packet)
    }

    fn they_unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, srtp::Error> {
        let mut packet = packet.to_vec();
        self.their_ingress.unprotect(&mut packet)?;
        Ok(packet)
    }
}

#[derive(Clone)]
struct Plain {
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Plain {
    /// A packet with random contributing sources, header extension, padding and length.
    fn random(ssrc: u32, sequence: u16, random: &mut StdRng) -> Self {
        let (csrcs, extension) = (random.random_range(0..=15_u8), random.random_bool(0.5));
        let padded = random.random_bool(0.2);
        let mut header = vec![0x80 | csrcs | u8::from(extension) << 4 | u8::from(padded) << 5];
        header.push(random.random());
        header.extend(sequence.to_be_bytes());
        header.extend(random.random::<[u8; 4]>());
        header.extend(ssrc.to_be_bytes());
        header.extend((0..4 * csrcs).map(|_| random.random::<u8>()));
        if extension {
            let words = random.random_range(0..6_u16);
            header.extend([0xbe, 0xde]);
            header.extend(words.to_be_bytes());
            header.extend((0..4 * words).map(|_| random.random::<u8>()));
        }
        let mut payload = vec![0; random.random_range(0..1300)];
        random.fill(&mut payload[..]);
        if padded {
            payload.extend([0, 0, 0, 4]);
        }

        Self { header, payload }
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.payload].concat()
    }
}

fn random_compound(ssrc: u32, random: &mut StdRng) -> Vec<u8> {
    let words = random.random_range(0..300_u16);
    let mut compound = vec![0x80, 201];
    compound.extend((1 + words).to_be_bytes());
    compound.extend(ssrc.to_be_bytes());
    compound.extend((0..4 * words).map(|_| random.random::<u8>()));

    compound
}

#[test]
fn packets_are_protected_to_the_same_bytes_and_back_over_roll_overs() {
    for profile in PROFILES {
        let mut random = StdRng::seed_from_u64(1);
        let mut pair = Pair::new(profile, &mut random);
        let mut sequences = SSRCS.map(|_| random.random_range(65_000..65_536_u32));
        for _ in 0..400 {
            let stream = random.random_range(0..SSRCS.len());
            let plain = Plain::random(SSRCS[stream], sequences[stream] as u16, &mut random);
            sequences[stream] += random.random_range(1..20_000);

            let ours = pair.protect(&plain);
            let mut theirs = plain.bytes();
            pair.their_egress.protect(&mut theirs).unwrap();

            assert_eq!(ours, theirs);
            assert_eq!(pair.unprotect(&theirs), Ok(plain.bytes()));
            assert_eq!(pair.they_unprotect(&ours).unwrap(), plain.bytes());
        }
        assert!(sequences.iter().all(|sequence| sequence >> 16 > 5), "several roll-overs");
    }
}

#[test]
fn compound_packets_pass_both_ways() {
    for profile in PROFILES {
        let mut random = StdRng::seed_from_u64(2);
        let mut pair = Pair::new(profile, &mut random);
        for round in 0..300 {
            let compound = random_compound(SSRCS[round % SSRCS.len()], &mut random);

            let mut ours = pair.protect_rtcp(&compound);
            let mut theirs = compound.clone();
            pair.their_egress.protect_rtcp(&mut theirs).unwrap();

            assert_eq!(theirs.len(), ours.len());
            assert_eq!(pair.unprotect_rtcp(&theirs), Ok(compound.clone()));
            assert_eq!(pair.unprotect_rtcp(&theirs), Err(DropReason::SrtpReplay));
            pair.their_ingress.unprotect_rtcp(&mut ours).unwrap();
            assert_eq!(ours, compound);
        }
    }
}

#[test]
fn compound_packets_without_encryption_are_authenticated_all_the_same() {
    let mut random = StdRng::seed_from_u64(3);
    let clear = CryptoPolicy::null_cipher_hmac_sha1_80();
    let rtp = CryptoPolicy::aes_cm_128_hmac_sha1_80();
    let mut pair = Pair::with_policies(Profile::Aes128CmSha1_80, rtp, clear, &mut random);
    let compound = random_compound(7, &mut random);
    let mut clear = compound.clone();
    pair.their_egress.protect_rtcp(&mut clear).unwrap();
    let mut tampered = clear.clone();
    tampered[9] ^= 1;

    assert_eq!(pair.unprotect_rtcp(&tampered), Err(DropReason::SrtpUnauthentic));
    assert_eq!(pair.unprotect_rtcp(&clear), Ok(compound));
}

#[test]
fn loss_reordering_and_replay_get_the_same_verdicts() {
    for profile in PROFILES {
        let mut random = StdRng::seed_from_u64(4);
        let mut pair = Pair::new(profile, &mut random);
        let mut schedule = Vec::new();
        for number in 0..4_000_u32 {
            let sequence = (64_000 + number * 7) as u16;
            let plain = Plain::random(SSRCS[0], sequence, &mut random);
            let packet = pair.protect(&plain);
            for _ in 0..[0, 1, 1, 1, 2][random.random_range(0..5)] {
                let delay = [0, 3, 60, 250][random.random_range(0..4)];
                schedule.push((number + random.random_range(0..=delay), packet.clone()));
            }
        }
        schedule.sort_by_key(|(when, _)| *when);

        let mut verdicts = [0, 0];
        for (_, packet) in schedule {
            let (ours, theirs) = (pair.unprotect(&packet), pair.they_unprotect(&packet));
            verdicts[usize::from(ours.is_ok())] += 1;
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
                (Err(reason), Err(_)) => assert_eq!(reason, DropReason::SrtpReplay),
                (ours, theirs) => panic!("{ours:?} but {theirs:?}"),
            }
        }
        assert!(verdicts.iter().all(|count| *count > 500), "both verdicts occur: {verdicts:?}");
    }
}

#[test]
fn every_changed_byte_is_noticed_and_leaves_no_trace() {
    for profile in PROFILES {
        let mut random = StdRng::seed_from_u64(5);
        let mut pair = Pair::new(profile, &mut random);
        let plain = Plain::random(SSRCS[0], 9, &mut random);
        let packet = pair.protect(&plain);
        let compound = random_compound(SSRCS[0], &mut random);
        let rtcp = pair.protect_rtcp(&compound);

        for at in 0..packet.len() {
            let mut tampered = packet.clone();
            tampered[at] ^= 1 << random.random_range(0..8);
            assert!(pair.unprotect(&tampered).is_err(), "RTP byte {at}");
        }
        for at in 0..rtcp.len() {
            let mut tampered = rtcp.clone();
            tampered[at] ^= 1 << random.random_range(0..8);
            assert!(pair.unprotect_rtcp(&tampered).is_err(), "RTCP byte {at}");
        }
        for len in 0..packet.len() {
            assert!(pair.unprotect(&packet[..len]).is_err(), "RTP cut to {len} bytes");
        }
        for len in 0..rtcp.len() {
            assert!(pair.unprotect_rtcp(&rtcp[..len]).is_err(), "RTCP cut to {len} bytes");
        }

        assert_eq!(pair.unprotect(&packet), Ok(plain.bytes()));
        assert_eq!(pair.unprotect_rtcp(&rtcp), Ok(compound));
    }
}
