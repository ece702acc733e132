//! Groups packets into runs, each of which leaves as one `UDP_SEGMENT` send: packets of one path,
//! all of one size except that the last may be shorter.

use relay_shard::{Path, Transmit, Via};
use std::collections::HashMap;

/// Packets in one run: the kernel's limit before Linux 6.9 (`UDP_MAX_SEGMENTS`).
pub const RUN_SEGMENTS_MAX: usize = 64;

/// Bytes in one run: an IPv4 packet's 65,535 less 20 of IP and 8 of UDP header.
pub const RUN_BYTES_MAX: usize = 65_507;

const NONE: u32 = u32::MAX;

/// Packets of one path that may leave as one send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// From where to where.
    pub path: Path,
    /// Bytes of each packet but the last, which may be shorter.
    pub segment: usize,
    /// Number of packets.
    pub count: usize,
    /// Rather not sent than in fragments; then it is one packet.
    pub unfragmented: bool,
    bytes: usize,
    head: u32,
    tail: u32,
    tail_len: usize,
}

impl Run {
    fn new(index: u32, transmit: &Transmit) -> Self {
        let len = transmit.range.len();
        Self {
            path: transmit.path,
            segment: len,
            count: 1,
            unfragmented: transmit.unfragmented,
            bytes: len,
            head: index,
            tail: index,
            tail_len: len,
        }
    }

    fn accepts(&self, len: usize) -> bool {
        // A shorter packet ends its run, and an empty one cannot be told from none.
        len > 0
            && !self.unfragmented
            && len <= self.segment
            && self.tail_len == self.segment
            && self.count < RUN_SEGMENTS_MAX
            && self.bytes + len <= RUN_BYTES_MAX
    }
}

/// Groups packets into runs; keeps its memory between batches.
#[derive(Debug, Default)]
pub struct Runs {
    runs: Vec<Run>,
    next: Vec<u32>,
    open: HashMap<Path, u32, foldhash::fast::RandomState>,
}

impl Runs {
    /// A grouping with memory for `packets` in a batch.
    pub fn with_capacity(packets: usize) -> Self {
        Self {
            runs: Vec::with_capacity(packets),
            next: Vec::with_capacity(packets),
            open: HashMap::with_capacity_and_hasher(packets, Default::default()),
        }
    }

    /// Groups a batch: each datagram is in exactly one run, and a path's datagrams keep their order
    /// over its runs. One that must not be fragmented, or of which `alone` holds, is a run of its
    /// own. Messages for TCP connections are in none.
    pub fn group(&mut self, transmits: &[Transmit], alone: impl Fn(&Path) -> bool) {
        self.runs.clear();
        self.next.clear();
        self.next.resize(transmits.len(), NONE);
        self.open.clear();
        for (index, transmit) in (0u32..).zip(transmits) {
            if transmit.path.via == Via::Tcp {
                continue;
            }
            let single = transmit.unfragmented || alone(&transmit.path);
            if single || !self.append(index, transmit) {
                self.open.insert(transmit.path, self.runs.len() as u32);
                self.runs.push(Run::new(index, transmit));
            }
        }
    }

    /// The runs, in the order of their first packets.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Indices of a run's packets in the batch, in order.
    pub fn members(&self, run: &Run) -> impl Iterator<Item = usize> + '_ {
        let mut at = run.head;
        std::iter::from_fn(move || {
            let index = (at != NONE).then_some(at as usize)?;
            at = self.next[index];

            Some(index)
        })
    }

    fn append(&mut self, index: u32, transmit: &Transmit) -> bool {
        let Some(run) = self.open.get(&transmit.path).map(|&run| &mut self.runs[run as usize])
        else {
            return false;
        };
        let len = transmit.range.len();
        if !run.accepts(len) {
            return false;
        }
        self.next[run.tail as usize] = index;
        run.tail = index;
        run.tail_len = len;
        run.count += 1;
        run.bytes += len;

        true
    }
}
