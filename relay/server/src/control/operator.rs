//! Operators on the control socket: a thread for each, so that nobody else waits for them.

use super::client::{Client, text};
use relay_wire::frame::{self, Reader};
use relay_wire::operator::{Allocation, Answer, PAGE_ALLOCATIONS, Request, Selector};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Operators at once; one more is hung up on.
const OPERATORS_MAX: usize = 4;

/// How long an operator may be silent, or not read what it asked for.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Bytes read at once.
const READ_BYTES: usize = 4 << 10;

/// Does what operators ask. It is called on threads where nobody else waits: it may block.
pub trait Operations: Send + Sync {
    /// The allocations that match, `None` for all; an error says why they are not known.
    fn allocations(&self, which: Option<&Selector>) -> Result<Vec<Allocation>, String>;

    /// Ends the allocations that match; returns how many.
    fn kick(&self, which: &Selector) -> Result<u64, String>;

    /// Refuses new allocations, or takes them again; returns how many stand.
    fn drain(&self, on: bool) -> Result<u64, String>;
}

/// Places for operators; a clone of the inner `Arc` is one that is taken.
#[derive(Default)]
pub(super) struct Seats(Arc<()>);

/// Serves an operator until it goes, on a thread of its own.
pub(super) fn attend(client: Client, operations: &Arc<dyn Operations>, seats: &Seats) {
    if Arc::strong_count(&seats.0) > OPERATORS_MAX {
        return tracing::warn!("control socket: too many operators at once");
    }
    let (operations, seat) = (operations.clone(), seats.0.clone());
    let (stream, reader) = client.into_parts();
    let serve = move || {
        if let Err(reason) = serve(stream, reader, &*operations) {
            tracing::debug!(%reason, "control socket: an operator is gone");
        }
        drop(seat);
    };
    if let Err(error) = thread::Builder::new().name("operator".into()).spawn(serve) {
        tracing::warn!(%error, "control socket: no thread for an operator");
    }
}

fn serve(
    mut stream: UnixStream,
    mut reader: Reader,
    operations: &dyn Operations,
) -> Result<(), String> {
    stream.set_nonblocking(false).map_err(text)?;
    stream.set_read_timeout(Some(SILENCE_MAX)).map_err(text)?;
    stream.set_write_timeout(Some(SILENCE_MAX)).map_err(text)?;
    let mut bytes = [0; READ_BYTES];
    loop {
        while let Some(request) = reader.next().map_err(text)? {
            answer(&mut stream, operations, request)?;
        }
        match stream.read(&mut bytes).map_err(text)? {
            0 => return Ok(()),
            len => reader.push(&bytes[..len]),
        }
    }
}

fn answer(
    stream: &mut UnixStream,
    operations: &dyn Operations,
    request: Request,
) -> Result<(), String> {
    let answer = match request {
        Request::List(which) => match operations.allocations(which.as_ref()) {
            Ok(allocations) => return pages(stream, allocations),
            Err(reason) => Answer::Failed(reason),
        },
        Request::Kick(which) => operations.kick(&which).map_or_else(Answer::Failed, Answer::Kicked),
        Request::Drain(on) => match operations.drain(on) {
            Ok(allocations) => Answer::Draining { on, allocations },
            Err(reason) => Answer::Failed(reason),
        },
    };

    send(stream, &answer)
}

/// Sends all allocations, each page when the one before is written: what waits here is bounded.
fn pages(stream: &mut UnixStream, mut allocations: Vec<Allocation>) -> Result<(), String> {
    loop {
        let rest = allocations.split_off(allocations.len().min(PAGE_ALLOCATIONS));
        let last = rest.is_empty();
        send(stream, &Answer::Page { allocations, last })?;
        if last {
            return Ok(());
        }
        allocations = rest;
    }
}

fn send(stream: &mut UnixStream, answer: &Answer) -> Result<(), String> {
    let mut bytes = Vec::new();
    frame::encode(answer, &mut bytes).map_err(text)?;

    stream.write_all(&bytes).map_err(text)
}
