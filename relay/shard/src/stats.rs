//! Plain counters of one shard; the driver publishes copies of them.

use crate::TurnCounters;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal)*) => {
        /// Why a packet ended here: a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// Every reason, in the order of `Drops`.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The metric label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// No protocol of ours, or a header that contradicts itself.
    Malformed = "malformed"
    /// STUN for a user name fragment that is not here.
    UnknownUfrag = "unknown_ufrag"
    /// STUN whose integrity or fingerprint is wrong.
    StunUnauthentic = "stun_unauthentic"
    /// STUN of a kind that is not served.
    StunUnexpected = "stun_unexpected"
    /// A check from one more path than a transport may bind in a second.
    PathLimit = "path_limit"
    /// DTLS, RTP or RTCP on a path that no transport validated.
    UnknownPath = "unknown_path"
    /// The DTLS queue of the transport or the shard is full.
    DtlsQueueFull = "dtls_queue_full"
    /// SRTP before the handshake is done.
    NotConnected = "not_connected"
    /// SRTP or SRTCP that fails authentication.
    SrtpUnauthentic = "srtp_unauthentic"
    /// SRTP or SRTCP seen before.
    SrtpReplay = "srtp_replay"
    /// RTP to send under a sequence number that was sent before.
    SrtpRepeated = "srtp_repeated"
    /// More SSRCs on a transport than are kept.
    SsrcLimit = "ssrc_limit"
    /// RTP that belongs to no track.
    UnknownTrack = "unknown_track"
    /// RTP in a payload type that was not negotiated.
    UnknownPayloadType = "unknown_payload_type"
    /// RTP of a muted track.
    Muted = "muted"
    /// RTP that came twice.
    Duplicate = "duplicate"
    /// RTP too old to be of use.
    TooOld = "too_old"
    /// A data message too long, not allowed, or on a channel that is not ours.
    DataRefused = "data_refused"
    /// A lossy data message for a receiver that does not keep up.
    DataOverflow = "data_overflow"
    /// The outbox had no room.
    OutboxFull = "outbox_full"
    /// The ring to another shard was full.
    HandOverFull = "hand_over_full"
    /// The socket's send buffer was full.
    SendBufferFull = "send_buffer_full"
    /// The kernel refused to send.
    SendFailed = "send_failed"
    /// A datagram that must not be fragmented and is longer than the path takes.
    WouldFragment = "would_fragment"
    /// TURN's data of a client, or for a relayed address, without an allocation.
    NoAllocation = "no_allocation"
    /// Data to or from a peer without a permission, or of a family that the allocation has not.
    NoPermission = "no_permission"
    /// ChannelData on a channel that is not bound.
    NoChannel = "no_channel"
    /// Data to an address of ours that nothing is relayed to.
    PeerForbidden = "peer_forbidden"
    /// Data beyond an allocation's bandwidth.
    Bandwidth = "bandwidth"
    /// Data too long for a message to a client.
    TooLong = "too_long"
    /// An ICMP error beyond what one client is told in a second.
    IcmpLimit = "icmp_limit"
    /// A request of somebody who is not authenticated, and gets no answer.
    Unanswered = "unanswered"
    /// A datagram longer than the receive buffer.
    Truncated = "truncated"
    /// A message for a connection whose reader does not keep up.
    StreamFull = "stream_full"
    /// A message for a connection that is closed, or that it cannot carry.
    StreamGone = "stream_gone"
}

/// Dropped packets by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// Counts one.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// How many of this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }
}

/// Counters and gauges of a shard's logic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rooms now.
    pub rooms: u64,
    /// Participants now.
    pub participants: u64,
    /// Transports now.
    pub transports: u64,
    /// Tracks now.
    pub tracks: u64,
    /// Subscriptions now.
    pub subscriptions: u64,
    /// RTP packets accepted from publishers.
    pub rtp_in: u64,
    /// Bytes of `rtp_in`, as RTP: without SRTP's tag.
    pub rtp_in_bytes: u64,
    /// RTP packets forwarded to subscribers.
    pub rtp_out: u64,
    /// Bytes of `rtp_out`, as RTP.
    pub rtp_out_bytes: u64,
    /// Packets reported missing by subscribers.
    pub nacks_in: u64,
    /// Packets asked again of publishers.
    pub nacks_out: u64,
    /// Packets sent again to subscribers.
    pub retransmitted: u64,
    /// Keyframe requests of subscribers.
    pub plis_in: u64,
    /// Keyframe requests to publishers.
    pub plis_out: u64,
    /// Packets that publishers lost on their way to us, as far as sequence numbers tell.
    pub lost_in: u64,
    /// Data messages accepted, and sent to receivers.
    pub data_in: u64,
    /// Data messages sent to receivers.
    pub data_out: u64,
    /// Transports that connected.
    pub connects: u64,
    /// Milliseconds from open to connected, summed over `connects`.
    pub connect_ms: u64,
    /// Round-trip times measured from receiver reports: count.
    pub rtt_samples: u64,
    /// Their sum in milliseconds.
    pub rtt_ms: u64,
    /// Rooms that are recorded now.
    pub recordings: u64,
    /// Records of media logs.
    pub recorded_records: u64,
    /// Their bytes.
    pub recorded_bytes: u64,
    /// Records that media logs miss, since the disk did not keep up.
    pub recording_lost: u64,
    /// TURN.
    pub turn: TurnCounters,
}
