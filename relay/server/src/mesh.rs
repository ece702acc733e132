//! Datagrams on their way from the shard that received them to the shard that owns them.
//!
//! One bounded lane for each ordered pair of shards: boxes of fixed size go round between a full
//! and an empty queue, so that handing over allocates nothing and takes no lock.

use crate::wake::Wake;
use crossbeam_queue::ArrayQueue;
use relay_shard::{DropReason, Packet, Path};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The longest datagram that is handed over: what an Ethernet frame holds, and some.
const DATAGRAM_MAX: usize = 2048;

/// Datagrams that wait for one shard, over all its lanes.
const WAITING_MAX: usize = 2048;

/// A datagram with its bytes.
struct Datagram {
    path: Path,
    len: usize,
    bytes: [u8; DATAGRAM_MAX],
}

impl Datagram {
    fn empty() -> Box<Self> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let path = Path::udp(nowhere, nowhere);

        Box::new(Self { path, len: 0, bytes: [0; DATAGRAM_MAX] })
    }
}

struct Lane {
    full: ArrayQueue<Box<Datagram>>,
    empty: ArrayQueue<Box<Datagram>>,
}

impl Lane {
    fn new(slots: usize) -> Self {
        let empty = ArrayQueue::new(slots);
        while empty.push(Datagram::empty()).is_ok() {}

        Self { full: ArrayQueue::new(slots), empty }
    }
}

/// All lanes.
pub(crate) struct Mesh {
    lanes: Vec<Option<Lane>>,
    wakes: Vec<Arc<Wake>>,
}

impl Mesh {
    /// A mesh over the shards with these alarms.
    pub(crate) fn new(wakes: Vec<Arc<Wake>>) -> Arc<Self> {
        let shards = wakes.len();
        // With many shards lanes get short: their number grows with the square.
        let slots = (WAITING_MAX / shards).clamp(16, 512);
        let lane = |index: usize| (index / shards != index % shards).then(|| Lane::new(slots));

        Arc::new(Self { lanes: (0..shards * shards).map(lane).collect(), wakes })
    }

    fn lane(&self, from: usize, to: usize) -> Option<&Lane> {
        self.lanes.get(from * self.wakes.len() + to)?.as_ref()
    }
}

/// One shard's place in the mesh.
pub(crate) struct Port {
    mesh: Arc<Mesh>,
    shard: usize,
    touched: Vec<bool>,
    turn: usize,
}

impl Port {
    pub(crate) fn new(mesh: &Arc<Mesh>, shard: u16) -> Self {
        let touched = vec![false; mesh.wakes.len()];

        Self { touched, mesh: mesh.clone(), shard: shard.into(), turn: 0 }
    }

    /// Puts a copy of a datagram into the lane to its owner, or says why it is dropped.
    pub(crate) fn send(&mut self, owner: u16, path: Path, bytes: &[u8]) -> Result<(), DropReason> {
        let owner = usize::from(owner);
        let known = owner < self.touched.len();
        let lane = known.then(|| self.mesh.lane(self.shard, owner)).flatten();
        let lane = lane.ok_or(DropReason::UnknownUfrag)?;
        if bytes.len() > DATAGRAM_MAX {
            return Err(DropReason::Truncated);
        }
        let mut datagram = lane.empty.pop().ok_or(DropReason::HandOverFull)?;
        datagram.path = path;
        datagram.len = bytes.len();
        datagram.bytes[..bytes.len()].copy_from_slice(bytes);
        self.touched[owner] = true;
        // As many boxes as places: this cannot fail.
        lane.full.push(datagram).map_err(|_| DropReason::HandOverFull)
    }

    /// Wakes the shards that were sent something since the last time.
    pub(crate) fn notify(&mut self) {
        for (touched, wake) in self.touched.iter_mut().zip(&self.mesh.wakes) {
            if std::mem::take(touched) {
                wake.wake();
            }
        }
    }

    /// Whether nothing waits for this shard.
    pub(crate) fn is_empty(&self) -> bool {
        (0..self.touched.len())
            .filter_map(|from| self.mesh.lane(from, self.shard))
            .all(|lane| lane.full.is_empty())
    }

    /// The next datagram of another shard, from each in turn; give it back when it is dealt with.
    pub(crate) fn take(&mut self) -> Option<Lent> {
        let shards = self.touched.len();
        for _ in 0..shards {
            let from = self.turn;
            self.turn = (self.turn + 1) % shards;
            let lane = self.mesh.lane(from, self.shard);
            if let Some(datagram) = lane.and_then(|lane| lane.full.pop()) {
                return Some(Lent { from, datagram });
            }
        }

        None
    }

    /// Returns a datagram's box to the lane that it came by.
    pub(crate) fn give_back(&self, lent: Lent) {
        if let Some(lane) = self.mesh.lane(lent.from, self.shard) {
            // As many places as boxes: nothing is lost here.
            let _ = lane.empty.push(lent.datagram);
        }
    }
}

/// A datagram on loan from its lane.
pub(crate) struct Lent {
    from: usize,
    datagram: Box<Datagram>,
}

impl Lent {
    /// The datagram as its owner receives it.
    pub(crate) fn packet(&mut self) -> Packet<'_> {
        let Datagram { path, len, bytes } = &mut *self.datagram;

        Packet::new(*path, bytes, 0..*len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh() -> Arc<Mesh> {
        Mesh::new((0..2).map(|_| Arc::new(Wake::new().unwrap())).collect())
    }

    fn path() -> Path {
        let any = SocketAddr::from(([127, 0, 0, 1], 9));
        Path::udp(any, any)
    }

    #[test]
    fn datagrams_arrive_in_order_and_their_boxes_are_used_again() {
        let mesh = mesh();
        let (mut from, mut to) = (Port::new(&mesh, 0), Port::new(&mesh, 1));
        for round in 0..1_000u32 {
            from.send(1, path(), &round.to_be_bytes()).unwrap();
            from.send(1, path(), b"second").unwrap();
            let mut got = Vec::new();
            while let Some(mut lent) = to.take() {
                got.push(lent.packet().payload().to_vec());
                to.give_back(lent);
            }
            assert_eq!(got, [round.to_be_bytes().to_vec(), b"second".to_vec()]);
        }
        assert!(to.is_empty());
    }

    #[test]
    fn a_full_lane_and_a_shard_that_is_not_there_have_drop_reasons() {
        let mesh = mesh();
        let mut from = Port::new(&mesh, 0);
        while from.send(1, path(), b"x").is_ok() {}

        assert_eq!(from.send(1, path(), b"x"), Err(DropReason::HandOverFull));
        assert_eq!(from.send(0, path(), b"x"), Err(DropReason::UnknownUfrag));
        assert_eq!(from.send(7, path(), b"x"), Err(DropReason::UnknownUfrag));
        assert_eq!(from.send(1, path(), &[0; 4000]), Err(DropReason::Truncated));
    }
}
