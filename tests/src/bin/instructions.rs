//! Runs the relay's hot functions, to be counted by callgrind: `tests/tests/instructions.rs` runs
//! this under valgrind, which counts inside `measured` only, and dumps at the end of each call.
//! The first line names the processor; each other says what was done: name, fan-out, units of
//! work, calls of `measured`.

use millrace_tests::{Fanout, FanoutMedia as Media, TurnRelay};
use relay_shard::{Profile, SrtpEgress, SrtpIngress, from_keying_material};
use std::net::SocketAddr;
use std::time::Duration;

/// Units of work in each measurement, after as many that are not counted.
const COUNT: u32 = 64;
/// Packets that arrive together.
const FRAME: u32 = 8;
/// Two fan-outs, whose difference is the work of one more subscriber.
const FANOUTS: [u64; 2] = [10, 110];
const SIZES: [usize; 2] = [172, 1200];
const HEADER_LEN: usize = 20;

fn main() {
    println!("{}", processor());
    FANOUTS.into_iter().for_each(forward);
    relay_channel_data();
    answer_binding();
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        SIZES.into_iter().for_each(|size| protect(profile, size));
    }
}

/// What libraries for cryptography choose their code by, as valgrind shows it.
fn processor() -> String {
    let mut words = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("aes", is_x86_feature_detected!("aes")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
            ("ssse3", is_x86_feature_detected!("ssse3")),
            ("avx", is_x86_feature_detected!("avx")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("sha", is_x86_feature_detected!("sha")),
            ("movbe", is_x86_feature_detected!("movbe")),
        ];
        words.extend(known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name));
    }

    words.join(" ")
}

/// What callgrind counts.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn report(name: &str, fanout: u64, calls: u32) {
    println!("{name} {fanout} {COUNT} {calls}");
}

fn forward(subscribers: u64) {
    let mut room = Fanout::new(subscribers);
    for media in Media::ALL {
        for round in 0..2 {
            let packets = media.packets(round * COUNT, COUNT);
            let mut whole = 0;
            for frame in packets.chunks(FRAME as usize) {
                let mut datagrams: Vec<_> = frame.iter().map(|p| room.protect(p)).collect();
                let mut work = || datagrams.iter_mut().for_each(|d| room.receive(d));
                match round {
                    0 => work(),
                    _ => measured(&mut work),
                }
                whole += room.flush(Duration::from_millis(33), media.payload_len());
            }
            assert_eq!(whole as u64, subscribers * u64::from(COUNT), "{media:?} does not arrive");
        }
        report(&format!("{media:?}").to_lowercase(), subscribers, COUNT / FRAME);
    }
}

fn relay_channel_data() {
    let mut relay = TurnRelay::new();
    let client = relay.allocate(5_001);
    let peer = SocketAddr::from(([9, 9, 9, 9], 9_000));
    relay.bind(&client, 0x4001, peer);
    let data = [7; 1_200];
    each("turn_up", &mut relay, &|relay| relay.channel_data(&client, 0x4001, &data));
    each("turn_down", &mut relay, &|relay| relay.peer_sends(&client, peer, &data));
}

/// A stranger's Binding request, and an ICE check as each participant sends every few seconds.
fn answer_binding() {
    let mut relay = TurnRelay::new();
    each("stun_binding", &mut relay, &|relay| relay.binding(5_001));
    let mut room = Fanout::new(0);
    each("ice_check", &mut room, &|room| room.check());
}

fn protect(profile: Profile, size: usize) {
    let material = vec![1; profile.material_len()];
    let (keys, _) = from_keying_material(profile, &material).expect("the length is right");
    let payload = vec![0x5a; size - HEADER_LEN];
    let mut egress = SrtpEgress::new(profile, keys.key, keys.salt);
    let mut ingress = SrtpIngress::new(profile, keys.key, keys.salt, 1);
    let name = match profile {
        Profile::AeadAes256Gcm => "gcm_256",
        Profile::AeadAes128Gcm => "gcm_128",
        Profile::Aes128CmSha1_80 => "cm_sha1_80",
    };
    let mut slots = vec![vec![0; size + profile.rtp_overhead()]; COUNT as usize];

    let mut sequence = 0;
    let mut protect = |slots: &mut Vec<Vec<u8>>| {
        let one = |slot: &mut Vec<u8>| {
            sequence += 1;
            egress.protect(&header(sequence), &[], &payload, slot).is_ok()
        };
        slots.iter_mut().map(one).filter(|done| *done).count()
    };
    let mut done = protect(&mut slots);
    let mut warm = slots.clone();
    measured(&mut || done += protect(&mut slots));
    report(&format!("protect_{name}_{size}"), 1, 1);

    let mut unprotect = |slots: &mut Vec<Vec<u8>>| {
        slots.iter_mut().map(|slot| ingress.unprotect(slot)).filter(|len| *len == Ok(size)).count()
    };
    done += unprotect(&mut warm);
    measured(&mut || done += unprotect(&mut slots));
    report(&format!("unprotect_{name}_{size}"), 1, 1);
    assert_eq!(done, 4 * COUNT as usize);
}

/// A header with an eight-byte extension.
fn header(sequence: u16) -> [u8; HEADER_LEN] {
    let [high, low] = sequence.to_be_bytes();

    [0x90, 96, high, low, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x30, 0x61, 0, 0]
}

/// Measures what sends one packet, after it was done as often unmeasured.
fn each<T>(name: &str, relay: &mut T, work: &dyn Fn(&mut T) -> usize) {
    for round in 0..2 {
        let mut sent = 0;
        let mut all = || (0..COUNT).for_each(|_| sent += work(relay));
        match round {
            0 => all(),
            _ => measured(&mut all),
        }
        assert_eq!(sent, COUNT as usize, "{name}");
    }
    report(name, 1, 1);
}
