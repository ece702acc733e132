//! ICE checks: found by user name, judged by the transport's agent, answered.

use super::Transports;
use crate::ice::{self, Change, Verdict};
use crate::{DropReason, Event, Outbox, Path};
use relay_wire::control::TransportId;
use relay_wire::ice::{shard_of, split_username};
use relay_wire::stun::{Class, Message, Method};
use std::net::SocketAddr;
use std::time::Instant;

/// A check that is for another shard.
pub(crate) struct Elsewhere(pub(crate) u16);

/// How a check came: on a path, and from where as the sender's side knows it.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    /// The path.
    pub(crate) path: Path,
    /// The remote end; another than the path's for a relayed address of ours behind NAT.
    pub(crate) seen: SocketAddr,
}

/// The user name of a connectivity check, ours first (RFC 8445, section 7.2.2); `None` if the
/// message is something else. Long-term credentials, whose names may look alike, have a realm.
pub(crate) fn check_username<'a>(message: &Message<'a>) -> Option<(&'a str, &'a str)> {
    let is_binding = (message.class(), message.method()) == (Class::Request, Method::BINDING);
    if !is_binding || message.realm().is_some() {
        return None;
    }

    message.username().and_then(split_username)
}

impl Transports {
    /// Takes a connectivity check; names the shard whose it is, if it is another's.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        arrival: Arrival,
        message: &Message<'_>,
        (local, remote): (&str, &str),
        shards: u16,
        out: &mut Outbox,
    ) -> Result<(), Elsewhere> {
        if let Some(id) = self.by_ufrag.get(local) {
            self.judge(now, *id, arrival, message, (local, remote), out);
            return Ok(());
        }
        match shard_of(local).filter(|shard| *shard != self.shard && *shard < shards) {
            Some(shard) => Err(Elsewhere(shard)),
            None => {
                out.drop(DropReason::UnknownUfrag);
                Ok(())
            }
        }
    }

    fn judge(
        &mut self,
        now: Instant,
        id: TransportId,
        arrival: Arrival,
        message: &Message<'_>,
        username: (&str, &str),
        out: &mut Outbox,
    ) {
        let Arrival { path, seen } = arrival;
        let Some(transport) = self.by_id.get_mut(&id) else { return };
        let verdict = transport.ice.check(now, path, message, username);
        let key = transport.ice.credentials(username.0).map(|local| &local.key);
        let Some(key) = key else { return };
        match verdict {
            Verdict::Unauthentic => out.drop(DropReason::StunUnauthentic),
            Verdict::TooManyPaths => out.drop(DropReason::PathLimit),
            Verdict::UnknownAttributes => {
                ice::refuse_unknown(path, message, key, out);
                out.drop(DropReason::StunUnexpected);
            }
            Verdict::RoleConflict => {
                ice::refuse_role(path, message, key, out);
                out.drop(DropReason::StunUnexpected);
            }
            Verdict::Valid(change) => {
                ice::succeed(path, seen, message, key, out);
                self.apply(now, id, path, change, out);
            }
        }
    }

    /// Keeps the indexes in step with an agent.
    fn apply(
        &mut self,
        now: Instant,
        id: TransportId,
        path: Path,
        change: Change,
        out: &mut Outbox,
    ) {
        if let Some(old) = change.unbound {
            self.by_path.remove(&old);
            out.events.push(Event::FlowUnbound(old));
        }
        if change.bound {
            let former = self.by_path.insert(path, id).and_then(|id| self.by_id.get_mut(&id));
            if let Some(former) = former {
                former.ice.lose(path);
            }
            out.events.push(Event::FlowBound(path));
        }
        self.retire(change.retired);
        self.reschedule(now, id);
    }
}
