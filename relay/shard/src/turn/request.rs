//! Requests: authenticated, carried out or refused (RFC 8656, section 5).

use super::answer::Asker;
use super::authenticate::AuthError;
use super::counters::TurnRefusal;
use super::{KNOWN, Turn};
use crate::{DropReason, Outbox, Path, Via};
use relay_wire::stun::{Class, Message, Method, Writer};
use std::time::Instant;

/// Bytes of the longest answer to somebody who is not authenticated.
const CHALLENGE_MAX: usize = 512;

impl Turn {
    /// The other shard that a request is for, by its reservation token or mobility ticket.
    pub(crate) fn named(&self, request: &Message<'_>) -> Option<u16> {
        let shard = match request.method() {
            Method::ALLOCATE => {
                let token = request.reservation_token().ok()??;
                self.tickets.token_shard(&token)
            }
            Method::REFRESH => self.tickets.open(request.mobility_ticket()?)?.shard,
            _ => return None,
        };

        Some(shard).filter(|shard| *shard != self.index && *shard < self.shards)
    }

    /// Takes a request other than Binding.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message<'_>,
        out: &mut Outbox,
    ) {
        match request.method() {
            Method::ALLOCATE => self.request_allocation(now, path, request, out),
            Method::REFRESH | Method::CREATE_PERMISSION | Method::CHANNEL_BIND => {
                self.request_of_allocation(now, path, request, out);
            }
            _ => self.refuse_method(path, request, out),
        }
        self.publish(out);
    }

    fn request_allocation(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message<'_>,
        out: &mut Outbox,
    ) {
        let unix_seconds = self.clock.unix_seconds(now);
        let found = self.authenticator.authenticate(request, path.remote, unix_seconds);
        let principal = match found {
            Ok(principal) => principal,
            Err(error) => return self.challenge(now, path, request, &error, out),
        };
        let asker = Asker::new(path, request);
        if request.unknown_required(&KNOWN).next().is_some() {
            self.counters.refuse(TurnRefusal::UnknownAttribute);
            return asker.refuse_unknown(&principal, request.unknown_required(&KNOWN), out);
        }
        self.allocate(now, asker, principal, request, out);
    }

    /// Requests that need an allocation (RFC 8656, section 5), or a ticket for one (RFC 8016).
    fn request_of_allocation(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message<'_>,
        out: &mut Outbox,
    ) {
        let unix_seconds = self.clock.unix_seconds(now);
        let key = self.table.of_client(&path).or_else(|| self.of_ticket(request));
        let asker = Asker::new(path, request);
        let Some((key, allocation)) =
            key.and_then(|key| self.table.get_mut(key).map(|allocation| (key, allocation)))
        else {
            return match self.authenticator.authenticate(request, path.remote, unix_seconds) {
                Ok(principal) => {
                    let why = self.without_allocation(request);
                    self.counters.refuse(why);
                    asker.refuse(&principal, why, out);
                }
                Err(error) => self.challenge(now, path, request, &error, out),
            };
        };
        let principal = &mut allocation.principal;
        match self.authenticator.verify(request, principal, path.remote, unix_seconds) {
            Ok(()) => {}
            Err(AuthError::WrongCredentials(other)) => {
                self.counters.refuse(TurnRefusal::WrongCredentials);
                return asker.refuse(&other, TurnRefusal::WrongCredentials, out);
            }
            Err(error) => return self.challenge(now, path, request, &error, out),
        }
        if request.unknown_required(&KNOWN).next().is_some() {
            self.counters.refuse(TurnRefusal::UnknownAttribute);
            return asker.refuse_unknown(principal, request.unknown_required(&KNOWN), out);
        }
        let outcome = match request.method() {
            Method::REFRESH => self.refresh(now, key, &asker, request, out),
            Method::CREATE_PERMISSION => self.create_permission(now, key, &asker, request, out),
            _ => self.bind_channel(now, key, &asker, request, out),
        };
        if let Err(why) = outcome {
            self.counters.refuse(why);
            let Some(allocation) = self.table.get(key) else { return };
            asker.refuse(&allocation.principal, why, out);
        }
    }

    /// Why a request without an allocation is refused.
    fn without_allocation(&self, request: &Message<'_>) -> TurnRefusal {
        let ticket = request.mobility_ticket().filter(|ticket| !ticket.is_empty());
        let forged = ticket.is_some_and(|ticket| self.tickets.open(ticket).is_none());
        if request.method() == Method::REFRESH && forged {
            return TurnRefusal::BadRequest;
        }

        TurnRefusal::Mismatch
    }

    /// Answers somebody who is not authenticated, unless there are too many of them.
    fn challenge(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message<'_>,
        error: &AuthError,
        out: &mut Outbox,
    ) {
        match error {
            AuthError::Unauthorized if has_credentials(request) => self.counters.unauthorized += 1,
            AuthError::Unauthorized => self.counters.challenges += 1,
            AuthError::StaleNonce => self.counters.stale_nonces += 1,
            AuthError::BadRequest => self.counters.malformed += 1,
            AuthError::WrongCredentials(_) => {}
        }
        let mut room = [0; CHALLENGE_MAX];
        let unix_seconds = self.clock.unix_seconds(now);
        let allowed = self.limiter.allow(now, path.remote.ip());
        let len = allowed
            .then(|| {
                self.authenticator.refuse(request, error, path.remote, unix_seconds, &mut room)
            })
            .flatten();
        self.send_unsigned(path, &room, len, out);
    }

    /// Refuses a method that is not served: 28 bytes for at least 20.
    fn refuse_method(&mut self, path: Path, request: &Message<'_>, out: &mut Outbox) {
        let mut room = [0; CHALLENGE_MAX];
        self.counters.malformed += 1;
        let len = Writer::answer(&mut room, Class::Error, request).error_code(400, "").finish();
        self.send_unsigned(path, &room, len, out);
    }

    fn send_unsigned(&mut self, path: Path, room: &[u8], len: Option<usize>, out: &mut Outbox) {
        let Some(len) = len else {
            self.counters.unanswered += 1;
            return out.drop(DropReason::Unanswered);
        };
        if let Some(slot) = out.slot(path, len) {
            slot.copy_from_slice(&room[..len]);
        }
    }

    /// A path on which TURN's packets come, apart from what transports have on the same path: it
    /// says `Via::Peer`, which no client's path does.
    pub(crate) fn claim(path: Path) -> Path {
        Path { via: Via::Peer, ..path }
    }
}

fn has_credentials(request: &Message<'_>) -> bool {
    request.has_integrity() || request.has_integrity_sha256()
}
