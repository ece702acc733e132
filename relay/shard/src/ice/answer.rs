//! Answers to Binding requests, written into the outbox.

use super::KNOWN;
use crate::{Outbox, Path};
use relay_wire::stun::{Class, HEADER_LEN, IntegrityKey, Message, Method, Writer};
use std::net::SocketAddr;

/// Bytes of the longest answer: a refusal that lists every unknown attribute of a request.
const ANSWER_MAX: usize = 256;

/// Answers a valid check (RFC 8445, section 7.3.1.2); `seen` is where its sender's side knows it
/// to come from.
pub(crate) fn succeed(
    path: Path,
    seen: SocketAddr,
    request: &Message<'_>,
    key: &IntegrityKey,
    out: &mut Outbox,
) {
    send(path, request, Class::Success, out, |writer| {
        writer.xor_mapped_address(seen).integrity(key).fingerprint();
    });
}

/// Refuses a check of somebody who claims the controlled role, which is ours for good.
pub(crate) fn refuse_role(path: Path, request: &Message<'_>, key: &IntegrityKey, out: &mut Outbox) {
    send(path, request, Class::Error, out, |writer| {
        writer.error_code(487, "Role Conflict").integrity(key).fingerprint();
    });
}

/// Refuses a check with attributes that must be understood, and are not (RFC 8489, section 6.3.1).
pub(crate) fn refuse_unknown(
    path: Path,
    request: &Message<'_>,
    key: &IntegrityKey,
    out: &mut Outbox,
) {
    send(path, request, Class::Error, out, |writer| {
        writer
            .error_code(420, "Unknown Attribute")
            .unknown_attributes(request.unknown_required(&KNOWN))
            .integrity(key)
            .fingerprint();
    });
}

fn send(
    path: Path,
    request: &Message<'_>,
    class: Class,
    out: &mut Outbox,
    write: impl FnOnce(&mut Writer<'_>),
) {
    let mut buffer = [0; HEADER_LEN + ANSWER_MAX];
    let mut writer = Writer::begin(&mut buffer, class, Method::BINDING, request.transaction_id());
    write(&mut writer);
    let Some(len) = writer.finish() else { return };
    if let Some(slot) = out.slot(path, len) {
        slot.copy_from_slice(&buffer[..len]);
    }
}
