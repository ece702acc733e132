//! ICMP errors, passed on to the client whose packet caused them (RFC 8656, section 11.5).

use super::Turn;
use crate::{DropReason, Outbox, Unreachable};
use rand::Rng;
use relay_wire::stun::{Class, HEADER_LEN, Icmp, Method, Writer};
use std::time::{Duration, Instant};

/// Errors passed on to one client in a second: a peer that answers every packet with one is heard
/// often enough.
const ERRORS_A_SECOND: u32 = 10;

/// Bytes of the indication: its header, XOR-PEER-ADDRESS of IPv6, ICMP.
const INDICATION_MAX: usize = HEADER_LEN + 24 + 12;

impl Turn {
    /// Passes on an error, if the peer has a permission.
    pub(crate) fn unreachable(&mut self, now: Instant, error: Unreachable, out: &mut Outbox) {
        let Unreachable { path, kind, code, data } = error;
        let Some(key) = self.table.of_relayed(&path.local) else {
            return out.drop(DropReason::NoAllocation);
        };
        if self.table.permission(key, path.remote.ip()).is_none() {
            return out.drop(DropReason::NoPermission);
        }
        let Some(allocation) = self.table.get_mut(key) else { return };
        let (since, count) = &mut allocation.errors;
        if now.saturating_duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        if *count >= ERRORS_A_SECOND {
            return out.drop(DropReason::IcmpLimit);
        }
        *count += 1;
        let mut buffer = [0; INDICATION_MAX];
        let transaction = self.random.random();
        let len = Writer::begin(&mut buffer, Class::Indication, Method::DATA, &transaction)
            .xor_peer_address(path.remote)
            .icmp(Icmp { kind, code, data })
            .finish();
        let Some(len) = len else { return };
        self.counters.unreachable += 1;
        if let Some(slot) = out.slot(allocation.client, len) {
            slot.copy_from_slice(&buffer[..len]);
        }
    }
}
