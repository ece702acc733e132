//! Answers to authenticated requests: signed, now or later.

use super::counters::TurnRefusal;
use super::principal::{Principal, Seal};
use crate::{Outbox, Path};
use relay_wire::stun::{Class, Message, Method, TransactionId, Writer};
use std::net::SocketAddr;

/// Bytes of the longest answer: a refusal that lists every unknown attribute of a request.
const ANSWER_MAX: usize = 512;

/// What it takes of a request to answer it later.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) path: Path,
    pub(super) transaction: TransactionId,
    method: Method,
    seal: Seal,
}

impl Asker {
    /// Who asks.
    pub(super) fn new(path: Path, request: &Message<'_>) -> Self {
        Self {
            path,
            transaction: *request.transaction_id(),
            method: request.method(),
            seal: Seal::of(request),
        }
    }

    /// Answers that the request was carried out.
    pub(super) fn succeed(
        &self,
        principal: &Principal,
        out: &mut Outbox,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        self.send(Class::Success, principal, out, write);
    }

    /// Answers that the request was refused.
    pub(super) fn refuse(&self, principal: &Principal, why: TurnRefusal, out: &mut Outbox) {
        self.send(Class::Error, principal, out, |writer| {
            writer.error_code(why.code(), why.reason());
        });
    }

    /// Refuses, and names the attributes that are not understood (RFC 8489, section 6.3.1).
    pub(super) fn refuse_unknown(
        &self,
        principal: &Principal,
        kinds: impl Iterator<Item = u16>,
        out: &mut Outbox,
    ) {
        let why = TurnRefusal::UnknownAttribute;
        self.send(Class::Error, principal, out, |writer| {
            writer.error_code(why.code(), why.reason()).unknown_attributes(kinds);
        });
    }

    /// Sends the client to another server (RFC 8489, section 10).
    pub(super) fn redirect(&self, principal: &Principal, to: SocketAddr, out: &mut Outbox) {
        let why = TurnRefusal::TryAlternate;
        self.send(Class::Error, principal, out, |writer| {
            writer.error_code(why.code(), why.reason()).alternate_server(to);
        });
    }

    fn send(
        &self,
        class: Class,
        principal: &Principal,
        out: &mut Outbox,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        let mut buffer = [0; ANSWER_MAX];
        let mut writer = Writer::begin(&mut buffer, class, self.method, &self.transaction);
        write(&mut writer);
        principal.sign(&mut writer, self.seal);
        let Some(len) = writer.finish() else { return };
        if let Some(slot) = out.slot(self.path, len) {
            slot.copy_from_slice(&buffer[..len]);
        }
    }
}
