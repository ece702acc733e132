//! Prints what SRTP costs: nanoseconds per packet, by profile, direction and size; the median of
//! many rounds and, for a machine with other work, the best one.

use relay_shard::{Profile, SrtpEgress, SrtpIngress, from_keying_material};
use std::hint::black_box;
use std::time::Instant;

const PROFILES: [Profile; 3] =
    [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];
const SIZES: [usize; 2] = [1200, 160];
const HEADER_LEN: usize = 20;
/// Transports that take turns, so that keys are as cold as in a room of many subscribers.
const TRANSPORTS: usize = 100;
const PACKETS: usize = 10;
const ROUNDS: usize = 301;

fn main() {
    println!("{:<18}{:>6}{:>18}{:>18}", "ns: median (best)", "bytes", "protect", "unprotect");
    for profile in PROFILES {
        for size in SIZES {
            let (protect, unprotect) = measure(profile, size);
            let name = format!("{profile:?}");
            println!("{name:<18}{size:>6}{protect:>18}{unprotect:>18}");
        }
    }
}

/// Median and best of the rounds: protect, unprotect.
fn measure(profile: Profile, size: usize) -> (String, String) {
    let mut transports: Vec<_> =
        (0..TRANSPORTS).map(|number| transport(profile, number as u8)).collect();
    let payload = vec![0x5a; size - HEADER_LEN];
    let mut slots = vec![vec![0; size + profile.rtp_overhead()]; TRANSPORTS * PACKETS];
    let (mut protect, mut unprotect) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        protect.push(timed(&mut slots, |number, slot| {
            let header = header((round * PACKETS + number / TRANSPORTS) as u16);
            let egress = &mut transports[number % TRANSPORTS].0;
            assert!(egress.protect(&header, &[], &payload, slot).is_ok());
        }));
        unprotect.push(timed(&mut slots, |number, slot| {
            let ingress = &mut transports[number % TRANSPORTS].1;
            assert_eq!(ingress.unprotect(slot), Ok(size));
        }));
    }

    (summary(protect), summary(unprotect))
}

fn transport(profile: Profile, number: u8) -> (SrtpEgress, SrtpIngress) {
    let material = vec![number; profile.material_len()];
    let (client, _) = from_keying_material(profile, &material).expect("the length is right");

    (
        SrtpEgress::new(profile, client.key, client.salt),
        SrtpIngress::new(profile, client.key, client.salt, 8),
    )
}

/// A header with an eight-byte extension.
fn header(sequence: u16) -> [u8; HEADER_LEN] {
    let [high, low] = sequence.to_be_bytes();

    [0x90, 96, high, low, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x30, 0x61, 0, 0]
}

/// Nanoseconds per slot.
#[allow(clippy::disallowed_methods, reason = "this measures")]
fn timed(slots: &mut [Vec<u8>], mut each: impl FnMut(usize, &mut [u8])) -> u128 {
    let start = Instant::now();
    for (number, slot) in slots.iter_mut().enumerate() {
        each(number, black_box(slot));
    }

    start.elapsed().as_nanos() / slots.len() as u128
}

fn summary(mut times: Vec<u128>) -> String {
    times.sort_unstable();

    format!("{} ({})", times[times.len() / 2], times[0])
}
