//! ICE checks: found by user name, judged by the transport's agent, answered.

use super::Transports;
use crate::ice::{self, Change, Verdict};
use crate::{DropReason, Event, Outbox, Path};
use relay_wire::control::TransportId;
use relay_wire::ice::{shard_of, split_username};
use relay_wire::stun::{Class, Message, Method};
use std::time::Instant;

/// A check that is for another shard.
pub(crate) struct Elsewhere(pub(crate) u16);

impl Transports {
    /// Takes a STUN datagram; names the shard whose it is, if it is another's.
    pub(crate) fn stun(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        shards: u16,
        out: &mut Outbox,
    ) -> Result<(), Elsewhere> {
        let Some(message) = Message::parse(datagram) else {
            out.drop(DropReason::Malformed);
            return Ok(());
        };
        if (message.class(), message.method()) != (Class::Request, Method::BINDING) {
            out.drop(DropReason::StunUnexpected);
            return Ok(());
        }
        let Some((local, remote)) = message.username().and_then(split_username) else {
            self.stranger(path, &message, out);
            return Ok(());
        };
        if let Some(id) = self.by_ufrag.get(local) {
            self.check(now, *id, path, &message, (local, remote), out);
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

    /// A request without (ICE's) user name: we are a STUN server to it, if it asks nothing more.
    fn stranger(&mut self, path: Path, message: &Message<'_>, out: &mut Outbox) {
        if message.unknown_required(&[]).next().is_some() || message.has_integrity() {
            return out.drop(DropReason::StunUnexpected);
        }
        ice::plain(path, message, out);
    }

    fn check(
        &mut self,
        now: Instant,
        id: TransportId,
        path: Path,
        message: &Message<'_>,
        username: (&str, &str),
        out: &mut Outbox,
    ) {
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
                ice::succeed(path, message, key, out);
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
