//! Which stream is which channel: DCEP (RFC 8832), asked or answered.

use relay_wire::control::{Channel, DataRole};
use relay_wire::data::{ACK, Dcep, Open, Reliability};
use sctp_proto::{
    Association as Sctp, PayloadProtocolIdentifier as Protocol, ReliabilityType, StreamId,
};

/// What we open, and on which streams: a DTLS server's are odd (RFC 8832, section 6).
const OURS: [(Channel, StreamId, Open<'static>); 2] = [
    (Channel::Reliable, 1, open("_reliable", true, Reliability::Reliable)),
    (Channel::Lossy, 3, open("_lossy", false, Reliability::Retransmits(0))),
];

/// Bytes that may wait on a stream for an OPEN on it to be acknowledged: a channel is opened once,
/// in front of everything else, and who opens it again and again never reads what we answer.
const WAITING_MAX: usize = 2;

/// Bytes of the longest DATA_CHANNEL_OPEN that we send.
const OPEN_MAX: usize = 32;

const fn open(label: &'static str, ordered: bool, reliability: Reliability) -> Open<'static> {
    Open { ordered, reliability, priority: 256, label, protocol: "" }
}

/// The channels of an association, as far as they are open.
pub(super) struct Channels {
    role: DataRole,
    reliable: Option<StreamId>,
    lossy: Option<StreamId>,
}

impl Channels {
    /// None yet.
    pub(super) fn new(role: DataRole) -> Self {
        Self { role, reliable: None, lossy: None }
    }

    /// The stream of a channel.
    pub(super) fn stream(&self, channel: Channel) -> Option<StreamId> {
        match channel {
            Channel::Reliable => self.reliable,
            Channel::Lossy => self.lossy,
        }
    }

    /// The channel of a stream.
    pub(super) fn channel(&self, id: StreamId) -> Option<Channel> {
        let mut both = [Channel::Reliable, Channel::Lossy].into_iter();

        both.find(|channel| self.stream(*channel) == Some(id))
    }

    /// Opens our channels, if that is our part. Messages may follow at once (RFC 8832, section 6).
    pub(super) fn open(&mut self, sctp: &mut Sctp) {
        if self.role == DataRole::Accept {
            return;
        }
        for (channel, id, open) in OURS {
            let mut message = [0; OPEN_MAX];
            let len = open.write(&mut message).expect("our labels are short");
            let sent = sctp.open_stream(id, Protocol::Binary).and_then(|mut stream| {
                let message = bytes::Bytes::copy_from_slice(&message[..len]);
                stream.write_sctp(&message, Protocol::Dcep)
            });
            if sent.is_ok() {
                self.adopt(sctp, channel, id, &open);
            }
        }
    }

    /// Takes a DCEP message: an OPEN is acknowledged whatever its label, and heeded if it is ours.
    pub(super) fn receive(&mut self, sctp: &mut Sctp, id: StreamId, message: &[u8]) {
        let Some(Dcep::Open(open)) = Dcep::parse(message) else { return };
        let Ok(mut stream) = sctp.stream(id) else { return };
        if stream.buffered_amount().is_ok_and(|waiting| waiting > WAITING_MAX) {
            return;
        }
        let ack = bytes::Bytes::from_static(&ACK);
        if stream.write_sctp(&ack, Protocol::Dcep).is_err() {
            return;
        }
        let known = OURS.iter().find(|(_, _, ours)| ours.label == open.label);
        if let Some((channel, ..)) = known {
            self.adopt(sctp, *channel, id, &open);
        }
    }

    /// Forgets a stream that was reset.
    pub(super) fn forget(&mut self, id: StreamId) {
        self.reliable.take_if(|reliable| *reliable == id);
        self.lossy.take_if(|lossy| *lossy == id);
    }

    fn adopt(&mut self, sctp: &mut Sctp, channel: Channel, id: StreamId, open: &Open<'_>) {
        let (reliability, value) = match open.reliability {
            Reliability::Reliable => (ReliabilityType::Reliable, 0),
            Reliability::Retransmits(count) => (ReliabilityType::Rexmit, count),
            Reliability::LifetimeMs(lifetime_ms) => (ReliabilityType::Timed, lifetime_ms),
        };
        let set = sctp.stream(id).and_then(|mut stream| {
            stream.set_reliability_params(!open.ordered, reliability, value)
        });
        if set.is_err() {
            return;
        }
        match channel {
            Channel::Reliable => self.reliable = Some(id),
            Channel::Lossy => self.lossy = Some(id),
        }
    }
}
