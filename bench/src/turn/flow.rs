//! Who sends to whom.

use super::args::{Direction, Scenario};
use super::client::Transport;
use socket2::SockAddr;
use std::net::SocketAddr;

/// The first channel number (RFC 8656, section 12).
const CHANNEL_MIN: u16 = 0x4000;
/// Where packets of a flow arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// At the peer.
    Peer,
    /// At a client.
    Client(usize),
}

/// Packets from one sender to one receiver.
pub(super) struct Flow {
    /// The client that sends; `None`: the peer does.
    pub(super) client: Option<usize>,
    /// Where the peer sends to.
    pub(super) relayed: Option<SockAddr>,
    /// What a client puts in front of its data.
    pub(super) header: Vec<u8>,
    /// Zeros behind the data.
    pub(super) padding: usize,
    /// Where they arrive.
    pub(super) sink: Sink,
    /// The next packet's number.
    pub(super) number: u64,
}

/// The channel of the `index`-th client.
pub(super) fn channel(index: usize) -> u16 {
    CHANNEL_MIN + index as u16
}

/// The flows of a scenario between clients with these `relayed` addresses and whom each of them
/// talks to.
pub(super) fn of_scenario(
    transport: Transport,
    scenario: &Scenario,
    others: &[SocketAddr],
    relayed: &[SocketAddr],
) -> Vec<Flow> {
    let Scenario { direction, framing, size, .. } = *scenario;
    let is_padded = framing.is_padded(transport != Transport::Udp);
    let padding = if is_padded { size.next_multiple_of(4) - size } else { 0 };
    let up = |index: usize, sink| Flow {
        client: Some(index),
        relayed: None,
        header: framing.header(channel(index), others[index], size),
        padding,
        sink,
        number: 0,
    };
    let down = |index: usize| Flow {
        client: None,
        relayed: Some(relayed[index].into()),
        header: Vec::new(),
        padding: 0,
        sink: Sink::Client(index),
        number: 0,
    };
    let indices = 0..relayed.len();
    match direction {
        Direction::Up => indices.map(|index| up(index, Sink::Peer)).collect(),
        Direction::Down => indices.map(down).collect(),
        Direction::Both => indices.flat_map(|index| [up(index, Sink::Peer), down(index)]).collect(),
        Direction::C2c => {
            indices.step_by(2).map(|index| up(index, Sink::Client(index + 1))).collect()
        }
    }
}
