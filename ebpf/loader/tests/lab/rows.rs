//! Rows of the table of docs/xdp.md, and how they are run.

use super::{CLIENT_MAC, Frame, Lab, PEER_MAC, RELAY_MAC, RELAY_MAC_2, TO_CLIENT, TO_PEER};
use super::{options, payload};
use ebpf_loader::{Action, Binding, Mode, Offload};
use std::collections::BTreeMap;

/// What becomes of a frame.
pub(crate) enum Expect {
    Redirected(Vec<u8>),
    Transmitted(Vec<u8>),
    Passed(&'static str),
    Dropped(&'static str),
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) input: Vec<u8>,
    pub(crate) expect: Expect,
}

pub(crate) fn row(name: &str, input: impl Into<Vec<u8>>, expect: Expect) -> Row {
    Row { name: name.to_owned(), input: input.into(), expect }
}

/// The program on the relay's two interfaces.
pub(crate) struct Table {
    pub(crate) offload: Offload,
    pub(crate) to_client: u32,
    pub(crate) to_peer: u32,
}

impl Table {
    pub(crate) fn new() -> Self {
        let offload = Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver))
            .expect("root attaches the program");
        let index = |at: usize| offload.interfaces()[at].1;
        let (to_client, to_peer) = (index(0), index(1));

        Self { offload, to_client, to_peer }
    }

    pub(crate) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.offload.outcomes().expect("counters").into_iter().collect()
    }

    /// Runs a row's frame as if it had come in by this interface.
    pub(crate) fn check(&self, interface: u32, Row { name, input, expect }: Row) {
        let mut outcomes = self.outcomes();
        let ran = self.offload.try_frame(interface, &input, 1).expect("a run");
        let (label, action, frame) = match expect {
            Expect::Redirected(frame) => ("redirected", Action::Redirect, frame),
            Expect::Transmitted(frame) => ("transmitted", Action::Transmit, frame),
            Expect::Passed(label) => (label, Action::Pass, input),
            Expect::Dropped(label) => (label, Action::Drop, input),
        };
        *outcomes.get_mut(label).unwrap_or_else(|| panic!("no outcome {label}")) += 1;
        let mut counted = self.outcomes();
        // The namespaces' own IPv6 speaks of neighbours and groups when it likes.
        let noise = counted.remove("not_udp") >= outcomes.remove("not_udp");

        assert!(noise && counted == outcomes, "{name}: not once {label}: {counted:?}");
        assert_eq!(ran.action, action, "{name}");
        assert_eq!(ran.frame, frame, "{name}: the frame afterwards");
    }

    pub(crate) fn client_sends(&self, rows: impl IntoIterator<Item = Row>) {
        rows.into_iter().for_each(|row| self.check(self.to_client, row));
    }

    pub(crate) fn peer_sends(&self, rows: impl IntoIterator<Item = Row>) {
        rows.into_iter().for_each(|row| self.check(self.to_peer, row));
    }
}

/// A client's ChannelData, and the datagram that the peer gets of it.
pub(crate) fn up(binding: &Binding, data: &[u8]) -> (Frame, Frame) {
    let Binding { key, relayed, peer, .. } = binding;
    let input = Frame::new(key.client, key.server, &payload(key.channel, data));

    (input, Frame::new(*relayed, *peer, data).macs(PEER_MAC, RELAY_MAC_2))
}

/// A peer's datagram, and the ChannelData that the client gets of it.
pub(crate) fn down(binding: &Binding, data: &[u8]) -> (Frame, Frame) {
    let Binding { key, relayed, peer, .. } = binding;
    let input = Frame::new(*peer, *relayed, data).macs(RELAY_MAC_2, PEER_MAC);
    let data = payload(key.channel, data);

    (input, Frame::new(key.server, key.client, &data).macs(CLIENT_MAC, RELAY_MAC))
}

pub(crate) fn in_the_lab(test: impl FnOnce(&mut Table, &Lab) + Send) {
    let lab = Lab::new();
    lab.relay.enter(|| test(&mut Table::new(), &lab));
}
