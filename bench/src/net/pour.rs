//! Bursts into sockets and whatever comes out of them.

use super::datagrams::{Receiver, Sends};
use crate::stamp;
use crate::tally::Tally;
use socket2::SockAddr;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;

/// Appends a burst: as one train, or as single datagrams.
pub(crate) fn push(
    sends: &mut Sends,
    to: Option<&SockAddr>,
    (burst, segment, bytes): (u16, bool, usize),
    mut append: impl FnMut(&mut Vec<u8>),
) {
    if segment {
        sends.push(to, Some(bytes), |out| (0..burst).for_each(|_| append(out)));
        return;
    }
    for _ in 0..burst {
        sends.push(to, None, &mut append);
    }
}

/// Packets of one entry that `push` appends.
pub(crate) fn packets_of_entry(burst: u16, segment: bool) -> u64 {
    if segment { burst.into() } else { 1 }
}

/// Sends what waits, entries of `packets` each; what a full socket does not take is held back.
pub(crate) fn flush(
    sends: &mut Sends,
    socket: &UdpSocket,
    packets: u64,
    tally: &mut Tally,
    held_back: &mut u64,
) -> io::Result<()> {
    let waiting = sends.len() as u64;
    let (taken, failure) = sends.flush(socket);
    tally.sent += taken as u64 * packets;
    *held_back += (waiting - taken as u64) * packets;
    let full = |error: &io::Error| {
        error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
    };

    failure.filter(|error| !full(error)).map_or(Ok(()), Err)
}

/// Receives all that a socket has, datagram by datagram, with the time of each.
pub(crate) fn receive_all(
    receiver: &mut Receiver,
    socket: &UdpSocket,
    mut each: impl FnMut(&[u8], u64),
) -> io::Result<()> {
    loop {
        let more = receiver.receive(socket)?;
        for train in receiver.trains() {
            let at = train.at.unwrap_or_else(stamp::now);
            train.datagrams().for_each(|datagram| each(datagram, at));
        }
        if !more {
            return Ok(());
        }
    }
}
