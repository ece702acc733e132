//! Grouping into runs, for any batch.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use relay_server::runs::{RUN_BYTES_MAX, RUN_SEGMENTS_MAX, Runs};
use relay_shard::{Path, Transmit, Via};
use std::collections::HashSet;
use std::net::SocketAddr;

/// A batch of packets to a few paths, with few sizes, so that runs happen; a few must not be
/// fragmented, and one of the paths is a TCP connection.
fn batch() -> impl Strategy<Value = Vec<Transmit>> {
    let size = prop_oneof![Just(1200usize), Just(1100), Just(160), 0usize..1500, Just(30_000)];
    proptest::collection::vec((0u16..5, size, 0u8..10), 0..400).prop_map(|packets| {
        let mut at = 0;
        let transmit = |(to, len, rare): (u16, usize, u8)| {
            let start = at;
            at += len;
            let local = SocketAddr::from(([127, 0, 0, 1], 3478));
            let remote = SocketAddr::from(([127, 0, 0, 2], to + 1));
            let path = match to {
                0 => Path::tcp(local, remote),
                1 => Path::peer(local, remote),
                _ => Path::udp(local, remote),
            };
            Transmit { path, range: start..at, unfragmented: rare == 0 }
        };
        packets.into_iter().map(transmit).collect()
    })
}

proptest! {
    #[test]
    fn every_datagram_leaves_once_in_its_paths_order_within_the_limits(
        batches in proptest::collection::vec(batch(), 1..4),
        alone in any::<bool>(),
    ) {
        let mut runs = Runs::with_capacity(16);
        for batch in batches {
            runs.group(&batch, |_| alone);
            let mut seen = HashSet::new();
            let mut last_of = std::collections::HashMap::new();
            for run in runs.runs() {
                let members: Vec<usize> = runs.members(run).collect();
                let sizes: Vec<usize> = members.iter().map(|&m| batch[m].range.len()).collect();
                prop_assert_eq!(members.len(), run.count);
                let whole = members.iter().any(|&m| batch[m].unfragmented);
                prop_assert!(run.unfragmented == whole && (run.count == 1 || !whole));
                prop_assert!(run.count <= RUN_SEGMENTS_MAX && (run.count == 1 || !alone));
                prop_assert!(run.count == 1 || sizes.iter().sum::<usize>() <= RUN_BYTES_MAX);
                let (last, full) = sizes.split_last().unwrap();
                prop_assert!(full.iter().all(|size| *size == run.segment));
                prop_assert!(*last <= run.segment && (run.count == 1 || *last > 0));
                for &member in &members {
                    prop_assert_eq!(batch[member].path, run.path);
                    prop_assert!(seen.insert(member));
                    let before = last_of.insert(run.path, member);
                    prop_assert!(before.is_none_or(|before| before < member));
                }
            }
            let datagrams = batch.iter().filter(|packet| packet.path.via != Via::Tcp);
            prop_assert_eq!(seen.len(), datagrams.count());
        }
    }
}

#[test]
fn a_frame_to_two_subscribers_leaves_as_two_runs() {
    let local = SocketAddr::from(([127, 0, 0, 1], 3478));
    let packet = |index: usize, len: usize| Transmit {
        path: Path::udp(local, SocketAddr::from(([127, 0, 0, 1], 1 + (index % 2) as u16))),
        range: index * 2_000..index * 2_000 + len,
        unfragmented: false,
    };
    let frame: Vec<_> = (0..10).map(|i| packet(i, if i < 8 { 1_200 } else { 700 })).collect();

    let mut runs = Runs::with_capacity(10);
    runs.group(&frame, |_| false);
    let counts: Vec<_> = runs.runs().iter().map(|run| (run.count, run.segment)).collect();
    assert_eq!(counts, [(5, 1_200), (5, 1_200)]);
}
