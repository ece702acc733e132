//! The way of a packet on the host: whatever comes, nothing panics, and what passes is as it came.

use ebpf_common::{Entry, FlowKey, Frame, Hop, Kernel, Link, Meter, Outcome, Port, PortKey};
use ebpf_common::{Verdict, Way, change, kind, relay, sum, updated};
use proptest::prelude::*;
use std::cell::Cell;

/// A frame in a vector, with room in front of it.
struct Bytes {
    memory: Vec<u8>,
    start: usize,
}

impl Bytes {
    fn new(frame: &[u8], headroom: usize) -> Self {
        let mut memory = vec![0; headroom];
        memory.extend(frame);

        Self { memory, start: headroom }
    }

    fn frame(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl Frame for Bytes {
    fn len(&self) -> usize {
        self.frame().len()
    }

    fn get<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.frame().get(at..)?.first_chunk()
    }

    fn get_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.memory[self.start..].get_mut(at..)?.first_chunk_mut()
    }

    fn shorten(&mut self, bytes: i32) -> bool {
        let start = self.start as i64 + i64::from(bytes);
        let fits = (0..=self.memory.len() as i64 - 14).contains(&start);
        if fits {
            self.start = start as usize;
        }

        fits
    }
}

/// A kernel that knows every flow: its entry is always the same.
struct Host {
    entry: Entry,
    port: Port,
    link: Link,
    tallied: Cell<u32>,
    /// Whether entries are for the flow that is looked for.
    matches: bool,
}

impl Host {
    fn new(entry: Entry, link: Link, matches: bool) -> Self {
        let port = Port { mac: [2, 0, 0, 0, 0, 1], reserved: [0; 2] };

        Self { entry, port, link, tallied: Cell::new(0), matches }
    }
}

impl Kernel for Host {
    fn interface(&self) -> u32 {
        7
    }

    fn now(&self) -> u64 {
        1
    }

    fn port(&self, _: &PortKey) -> Option<&Port> {
        Some(&self.port)
    }

    fn entry(&self, key: &FlowKey) -> Option<(u32, &Entry)> {
        let mut entry = self.entry;
        if self.matches {
            entry.key = key.to_bytes();
        }

        // A map's values live as long as the map.
        Some((1, Box::leak(Box::new(entry))))
    }

    fn link(&self, _: u32) -> Option<&Link> {
        Some(&self.link)
    }

    fn route(&self, _: &Way<'_>) -> Result<Hop, Outcome> {
        Ok(Hop { interface: 7, own: [1; 3], station: [2; 3] })
    }

    fn take(&self, _: u32, _: u32) -> bool {
        true
    }

    fn count(&self, _: u32, _: u32, _: bool) {}

    fn tally(&self, _: Outcome) {
        self.tallied.set(self.tallied.get() + 1);
    }
}

fn entry(channel: u16, kind: u8) -> Entry {
    let mut source = [0; 16];
    source[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);

    Entry {
        key: [0; 40],
        source,
        destination: source,
        source_port: [1, 2],
        destination_port: [3, 4],
        channel: channel.to_be_bytes(),
        kind: [kind],
        reserved: [0],
        expires: u64::MAX.to_be_bytes(),
        checksum: [0; 4],
        meter: [0; 4],
    }
}

/// A frame that is nearly one of ours: headers of Ethernet and IP, and random bytes in some places.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..120);
    let tags = prop::collection::vec(prop::sample::select(vec![0x8100_u16, 0x88a8]), 0..4);

    (bytes, tags, any::<bool>(), any::<bool>()).prop_map(|(bytes, tags, ipv4, sound)| {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0, 9]);
        }
        frame.extend(if ipv4 { [0x08, 0x00] } else { [0x86, 0xdd] });
        let at = frame.len();
        frame.extend(&bytes);
        let (header, length_at) = if ipv4 { (20, at + 2) } else { (40, at + 4) };
        if sound && bytes.len() >= header + 8 {
            frame[at] = if ipv4 { 0x45 } else { 0x60 };
            frame[at + if ipv4 { 9 } else { 6 }] = 17;
            let len = if ipv4 { bytes.len() } else { bytes.len() - header } as u16;
            frame[length_at..length_at + 2].copy_from_slice(&len.to_be_bytes());
            let udp_len = ((bytes.len() - header) as u16).to_be_bytes();
            frame[at + header + 4..at + header + 6].copy_from_slice(&udp_len);
            if ipv4 {
                frame[at + 6..at + 8].fill(0);
                frame[at + 10..at + 12].fill(0);
                let header: [u8; 20] = frame[at..at + 20].try_into().expect("twenty bytes");
                let checksum = ebpf_common::header_checksum(&header);
                frame[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());
            }
        }
        frame
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_once_and_what_passes_is_as_it_came(
        input in prop_oneof![frames(), prop::collection::vec(any::<u8>(), 0..80)],
        channel in prop_oneof![Just(0_u16), 0x4000..0x8000_u16],
        kind in 0_u8..4,
        tags in prop::sample::select(vec![0_u8, 4, 8, 200]),
        headroom in prop::sample::select(vec![0_usize, 256]),
        matches in any::<bool>(),
    ) {
        let port = 7_u32.to_be_bytes();
        let link = Link { port, tags: [9; 8], tags_len: [tags], reserved: [0; 3] };
        let host = Host::new(entry(channel, kind & (kind::INSIDE | kind::IPV4)), link, matches);
        let mut frame = Bytes::new(&input, headroom);
        let verdict = relay(&mut frame, &host);

        prop_assert_eq!(host.tallied.get(), 1);
        match verdict {
            Verdict::Pass | Verdict::Stray => prop_assert_eq!(frame.frame(), &input[..]),
            Verdict::Transmit => {
                prop_assert!(matches, "an entry of another flow");
                prop_assert!(frame.len() >= 14 + 20 + 8);
            }
            Verdict::Drop => prop_assert_eq!(headroom, 0, "only without room to grow"),
            Verdict::Redirect(_) => prop_assert!(false, "out by another interface"),
        }
    }

    #[test]
    fn a_changed_checksum_is_that_of_a_new_sum(
        old in any::<[u8; 32]>(),
        new in any::<[u8; 32]>(),
        rest in 1_u32..0xffff,
    ) {
        let of = |words: &[u8; 32]| updated(0xffff, sum(words) + rest);
        let before = of(&old);

        prop_assert_eq!(updated(before, change(sum(&old), sum(&new))), of(&new));
    }

    #[test]
    fn over_any_history_the_rate_is_kept(
        rate in 12_000_u64..10_000_000_000,
        steps in prop::collection::vec((0_u64..50_000_000, 0_u32..65_536), 1..200),
    ) {
        let start = 5_000_000_000;
        let (mut now, mut busy_until, mut bits) = (start, 0, 0_u128);
        for (nanos, bytes) in steps {
            now += nanos;
            if let Some(after) = Meter::after(busy_until, rate, now, bytes) {
                busy_until = after;
                bits += u128::from(bytes) * 8;
            }
        }
        let allowed = u128::from(rate) * u128::from(1_000_000_000 + (now - start));

        prop_assert!(bits * 1_000_000_000 <= allowed);
    }
}

#[test]
fn a_slow_bucket_lets_a_datagram_through_sometimes() {
    let first = Meter::after(0, 1, 0, 1_500).expect("a full bucket");

    assert_eq!(Meter::after(first, 1, 11_999_000_000_000, 1_500), None);
    assert!(Meter::after(first, 1, 12_000_000_000_001, 1_500).is_some());
    assert_eq!(Meter::after(0, u64::MAX, 0, 65_535), Some(1));
}

#[test]
fn records_are_the_same_after_a_way_through_bytes() {
    let entry = entry(0x4001, kind::IPV4);
    let bytes = entry.to_bytes();

    assert_eq!(Entry::from_bytes(&bytes), entry);
    assert_eq!(&bytes[72..76], &[1, 2, 3, 4]);
    assert_eq!(Outcome::ALL.iter().map(|outcome| *outcome as usize).max(), Some(18));
}
