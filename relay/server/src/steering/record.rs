//! Allocations as records of the kernel's: what a process keeps for the one after it.
//!
//! A record is a head and, for an allocation with many permissions, further pages. Pages are
//! written under a generation of their own before the head that names it: whenever the process is
//! killed, the head is whole, and so is what it names.

use postcard::{from_bytes, to_allocvec};
use relay_shard::{Path, Standing};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Bytes of a key: allocation, generation, page.
const KEY_LEN: usize = 24;

/// Bytes of a record.
const RECORD_LEN: usize = 1024;

/// A record's key.
pub(crate) type Key = [u8; KEY_LEN];

/// A record, padded with zeros.
pub(crate) type Record = [u8; RECORD_LEN];

/// The version of what is written: another one is not read.
const VERSION: u32 = 1;

/// Version, generation, bytes of all pages, their CRC-32: four bytes each, in network order.
const HEAD_LEN: usize = 16;

/// The longest that is read: far more than 256 permissions and 256 channels take.
const LEN_MAX: usize = 64 << 10;

/// The kernel's monotonic clock beside ours, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    at: Instant,
    nanos: u64,
}

impl Clock {
    /// A clock that shows `nanos` nanoseconds at `at`.
    pub(crate) fn new(at: Instant, nanos: u64) -> Self {
        Self { at, nanos }
    }

    fn nanos(&self, at: Instant) -> u64 {
        let ahead = at.saturating_duration_since(self.at).as_nanos() as u64;
        let behind = self.at.saturating_duration_since(at).as_nanos() as u64;

        self.nanos.saturating_add(ahead).saturating_sub(behind)
    }

    /// What is past is as good as now: both are over.
    fn instant(&self, nanos: u64) -> Option<Instant> {
        self.at.checked_add(Duration::from_nanos(nanos.saturating_sub(self.nanos)))
    }
}

/// `Standing` as it is written; times are nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Serialize, Deserialize)]
struct Written {
    place: u32,
    local: SocketAddr,
    remote: SocketAddr,
    user: String,
    key: Vec<u8>,
    counted: IpAddr,
    relayed: Vec<(SocketAddr, u64)>,
    transaction: [u8; 12],
    lifetime: u32,
    mobile: bool,
    moves: u64,
    permissions: Vec<(IpAddr, u64)>,
    channels: Vec<(u16, SocketAddr, u64)>,
}

/// An allocation's records in the order in which they must be written: the head is last.
pub(crate) fn write(standing: &Standing, generation: u32, clock: &Clock) -> Vec<(Key, Record)> {
    // Only a writer without room fails, and this one grows.
    let bytes = to_allocvec(&written(standing, clock)).unwrap_or_default();
    let mut head: Record = [0; RECORD_LEN];
    let fields = [VERSION, generation, bytes.len() as u32, crc32fast::hash(&bytes)];
    for (to, field) in head.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    let (first, rest) = bytes.split_at(bytes.len().min(RECORD_LEN - HEAD_LEN));
    head[HEAD_LEN..HEAD_LEN + first.len()].copy_from_slice(first);
    let pages = rest.chunks(RECORD_LEN).zip(1..).map(|(bytes, page)| {
        let mut record = [0; RECORD_LEN];
        record[..bytes.len()].copy_from_slice(bytes);
        (key(standing.id, generation, page), record)
    });

    pages.chain([(key(standing.id, 0, 0), head)]).collect()
}

/// What is found in records.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whole allocations, each with its generation.
    pub(crate) standing: Vec<(Standing, u32)>,
    /// Records that belong to none of these: remains of a write that was cut short, or of another
    /// version.
    pub(crate) useless: Vec<Key>,
    /// Heads among them: allocations that are lost.
    pub(crate) lost: usize,
}

/// Reads all records.
pub(crate) fn read(records: impl Iterator<Item = (Key, Record)>, clock: &Clock) -> Found {
    let records: BTreeMap<Key, Record> = records.collect();
    let mut used = BTreeSet::new();
    let mut found = Found::default();
    for (head_key, head) in records.iter().filter(|(key, _)| is_head(key)) {
        let whole = assemble(head_key, head, &records)
            .and_then(|(bytes, keys)| Some((standing(head_key, &bytes, clock)?, keys)));
        let Some((standing, keys)) = whole else {
            found.lost += 1;
            continue;
        };
        used.extend(keys);
        found.standing.push((standing, generation(head)));
    }
    found.useless = records.into_keys().filter(|key| !used.contains(key)).collect();

    found
}

fn key(id: u64, generation: u32, page: u32) -> Key {
    let mut key = [0; KEY_LEN];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..12].copy_from_slice(&generation.to_be_bytes());
    key[12..16].copy_from_slice(&page.to_be_bytes());

    key
}

fn is_head(key: &Key) -> bool {
    key[8..] == [0; KEY_LEN - 8]
}

fn generation(head: &Record) -> u32 {
    field(head, 1)
}

fn field(head: &Record, at: usize) -> u32 {
    let bytes = head.chunks_exact(4).nth(at).and_then(|four| four.first_chunk());

    bytes.map_or(0, |four| u32::from_be_bytes(*four))
}

/// The bytes of a head and its pages, and whose keys these are; `None` if they are not whole.
fn assemble(
    head_key: &Key,
    head: &Record,
    records: &BTreeMap<Key, Record>,
) -> Option<(Vec<u8>, Vec<Key>)> {
    let len = field(head, 2) as usize;
    if field(head, 0) != VERSION || len > LEN_MAX {
        return None;
    }
    let (mut bytes, mut keys) = (head[HEAD_LEN..].to_vec(), vec![*head_key]);
    for page in 1.. {
        if bytes.len() >= len {
            break;
        }
        let key = key(id(head_key), generation(head), page);
        bytes.extend(records.get(&key)?);
        keys.push(key);
    }
    bytes.truncate(len);

    (crc32fast::hash(&bytes) == field(head, 3)).then_some((bytes, keys))
}

fn id(key: &Key) -> u64 {
    key.first_chunk().map_or(0, |id| u64::from_be_bytes(*id))
}

fn written(standing: &Standing, clock: &Clock) -> Written {
    let nanos = |at: &Instant| clock.nanos(*at);

    Written {
        place: standing.place,
        local: standing.client.local,
        remote: standing.client.remote,
        user: standing.user.clone(),
        key: standing.key.clone(),
        counted: standing.counted,
        relayed: standing.relayed.iter().map(|(address, at)| (*address, nanos(at))).collect(),
        transaction: standing.transaction,
        lifetime: standing.lifetime,
        mobile: standing.mobile,
        moves: standing.moves,
        permissions: standing.permissions.iter().map(|(ip, at)| (*ip, nanos(at))).collect(),
        channels: standing.channels.iter().map(|(n, peer, at)| (*n, *peer, nanos(at))).collect(),
    }
}

fn standing(head_key: &Key, bytes: &[u8], clock: &Clock) -> Option<Standing> {
    let read: Written = from_bytes(bytes).ok()?;
    let until = |nanos| clock.instant(nanos);
    let relayed = read.relayed.into_iter().map(|(address, at)| Some((address, until(at)?)));
    let permissions = read.permissions.into_iter().map(|(ip, at)| Some((ip, until(at)?)));
    let channels = read.channels.into_iter().map(|(n, peer, at)| Some((n, peer, until(at)?)));

    Some(Standing {
        id: id(head_key),
        place: read.place,
        client: Path::udp(read.local, read.remote),
        user: read.user,
        key: read.key,
        counted: read.counted,
        relayed: relayed.collect::<Option<_>>()?,
        transaction: read.transaction,
        lifetime: read.lifetime,
        mobile: read.mobile,
        moves: read.moves,
        permissions: permissions.collect::<Option<_>>()?,
        channels: channels.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An allocation with so many permissions and channels.
    fn allocation(id: u64, grants: u16, start: Instant) -> Standing {
        let peer = |n: u16| SocketAddr::from(([2001, 0xdb8, 0, 0, 0, 0, 0, n], 9_000));
        let until = start + Duration::from_secs(300);

        Standing {
            id,
            place: 7,
            client: Path::udp(peer(1), peer(2)),
            user: "1800000000:ann".to_owned(),
            key: vec![9; 32],
            counted: peer(2).ip(),
            relayed: vec![(peer(3), until), ("192.0.2.1:50000".parse().unwrap(), until)],
            transaction: [4; 12],
            lifetime: 600,
            mobile: true,
            moves: 3,
            permissions: (0..grants).map(|n| (peer(n).ip(), until)).collect(),
            channels: (0..grants).map(|n| (0x4000 + n, peer(n), until)).collect(),
        }
    }

    fn clock(start: Instant) -> Clock {
        Clock::new(start, 5_000_000_000_000)
    }

    fn store(records: &mut BTreeMap<Key, Record>, standing: &Standing, generation: u32) {
        records.extend(write(standing, generation, &clock(standing.relayed[0].1)));
    }

    #[test]
    fn the_usual_allocation_is_one_record() {
        let start = Instant::now();
        assert_eq!(write(&allocation(1, 12, start), 1, &clock(start)).len(), 1);
        assert!(write(&allocation(1, 256, start), 1, &clock(start)).len() > 5);
    }

    #[test]
    fn times_are_the_kernels_so_another_process_reads_the_same() {
        let start = Instant::now();
        let written = write(&allocation(1, 3, start), 1, &clock(start));
        // 100 seconds later, by both clocks.
        let later = start + Duration::from_secs(100);
        let clock = Clock::new(later, 5_100_000_000_000);
        let found = read(written.into_iter(), &clock);
        assert_eq!(found.standing, [(allocation(1, 3, start), 1)]);

        let over = Clock::new(start, 9_000_000_000_000);
        let found =
            read(write(&allocation(1, 3, start), 1, &self::clock(start)).into_iter(), &over);
        assert_eq!(found.standing[0].0.relayed[0].1, start, "what is past is over");
    }

    #[test]
    fn another_version_is_not_read() {
        let start = Instant::now();
        let mut written = write(&allocation(1, 0, start), 1, &clock(start));
        written[0].1[3] = 2;
        let found = read(written.clone().into_iter(), &clock(start));
        assert_eq!((found.standing.len(), found.lost), (0, 1));
        assert_eq!(found.useless, [written[0].0]);
    }

    proptest! {
        #[test]
        fn killed_at_any_moment_the_older_or_the_newer_is_whole(
            before in 0u16..120, after in 0u16..120, writes in 0usize..12,
        ) {
            let start = Instant::now();
            let (old, new) = (allocation(3, before, start), allocation(3, after, start));
            let mut records = BTreeMap::new();
            store(&mut records, &old, 1);
            store(&mut records, &allocation(4, 1, start), 1);
            let all = write(&new, 2, &clock(old.relayed[0].1));
            let whole = writes >= all.len();
            records.extend(all.into_iter().take(writes));
            let found = read(records.clone().into_iter(), &clock(old.relayed[0].1));

            prop_assert_eq!(found.lost, 0);
            prop_assert_eq!(found.standing.len(), 2);
            prop_assert_eq!(&found.standing[0].0, if whole { &new } else { &old });
            let used = records.len() - found.useless.len();
            let kept = write(if whole { &new } else { &old }, 1, &clock(start)).len() + 1;
            prop_assert_eq!(used, kept);
        }

        #[test]
        fn no_bytes_crash_or_are_believed(at in 0usize..RECORD_LEN, bit in 0u8..8) {
            let start = Instant::now();
            let mut written = write(&allocation(1, 30, start), 1, &clock(start));
            let last = written.len() - 1;
            written[last].1[at] ^= 1 << bit;
            let found = read(written.into_iter(), &clock(start));
            let whole = allocation(1, 30, start);

            prop_assert!(found.standing.iter().all(|(standing, _)| *standing == whole));
        }
    }
}
