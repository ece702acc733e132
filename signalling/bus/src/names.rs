//! Bounds of names and payloads.

use crate::Error;
use crate::users::{Notice, Session, User};

/// Bytes of a name: of a tenant, identity, session, device, node, room, queue, job.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a message between nodes, of a job, of a notice.
const PAYLOAD_BYTES_MAX: usize = 128 << 10;
const NOTICE_BYTES_MAX: usize = 4 << 10;
/// Bytes of the reason why a job failed that are kept.
const REASON_BYTES_MAX: usize = 512;

pub(crate) fn name(what: &'static str, name: &str) -> Result<(), Error> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if fits { Ok(()) } else { Err(Error::Length(what)) }
}

pub(crate) fn user(user: &User) -> Result<(), Error> {
    name("the tenant's name", &user.tenant)?;
    name("the identity", &user.identity)
}

pub(crate) fn session(session: &Session) -> Result<(), Error> {
    name("the session's id", &session.id)?;
    let rest = [&session.device, &session.name];
    let fits = rest.iter().all(|text| text.len() <= NAME_BYTES_MAX);
    if fits { Ok(()) } else { Err(Error::Length("the device's or the user's name")) }
}

pub(crate) fn notice(notice: &Notice) -> Result<(), Error> {
    name("the notice's id", &notice.id)?;
    if notice.body.len() > NOTICE_BYTES_MAX { Err(Error::Length("the notice")) } else { Ok(()) }
}

pub(crate) fn payload(payload: &[u8]) -> Result<(), Error> {
    if payload.len() > PAYLOAD_BYTES_MAX { Err(Error::Length("the payload")) } else { Ok(()) }
}

/// The beginning of a reason, cut between letters.
pub(crate) fn reason(reason: &str) -> String {
    let end = reason.len().min(REASON_BYTES_MAX);
    let end = (0..=end).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);

    reason[..end].to_owned()
}

pub(crate) fn node(node: &crate::Node) -> Result<(), Error> {
    name("the node's name", &node.name)?;
    let fits = [&node.region, &node.url].iter().all(|text| text.len() <= NAME_BYTES_MAX);
    if fits { Ok(()) } else { Err(Error::Length("the node's region or URL")) }
}
