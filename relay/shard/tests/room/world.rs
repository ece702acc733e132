//! A room without network: a recording egress, and time that is told.

use relay_shard::{Counters, Egress, Event, Limits, Outbox, Room};
use relay_wire::control::{
    self, Answer, Channel, Choice, Codec, CodecSpec, Command, DataRole, Extensions, Kind, Message,
    ParticipantId, ParticipantSpec, RoomId, SsrcSpec, SubscriptionId, SubscriptionSpec, TrackId,
    TrackSpec, TransportId,
};
use relay_wire::rtcp;
use relay_wire::rtp::{AudioLevel, Fixed, Header, Writer};
use std::time::{Duration, Instant};

pub(crate) const PUBLISHER: TransportId = TransportId(10);
pub(crate) const OPUS: u8 = 111;
pub(crate) const VP8: u8 = 96;
pub(crate) const VP8_RTX: u8 = 97;
pub(crate) const H264: u8 = 102;
pub(crate) const H264_RTX: u8 = 103;
pub(crate) const VP9: u8 = 98;
pub(crate) const VP9_RTX: u8 = 99;
pub(crate) const AV1: u8 = 45;
pub(crate) const AV1_RTX: u8 = 46;
pub(crate) const VIDEO: TrackId = TrackId(1);
pub(crate) const AUDIO: TrackId = TrackId(2);
pub(crate) const VIDEO_MID: &str = "1";
pub(crate) const AUDIO_MID: &str = "0";

pub(crate) const DESCRIPTOR_ID: u8 = 9;

/// Extension ids of the publisher; subscribers have others.
pub(crate) const IDS: Extensions = Extensions {
    mid: Some(1),
    rid: Some(2),
    repaired_rid: Some(3),
    abs_send_time: Some(4),
    transport_cc: Some(5),
    audio_level: Some(6),
    video_orientation: Some(7),
    playout_delay: Some(8),
    dependency_descriptor: Some(DESCRIPTOR_ID),
};
pub(crate) const SUBSCRIBER_IDS: Extensions = Extensions {
    mid: Some(14),
    rid: None,
    repaired_rid: None,
    abs_send_time: Some(13),
    transport_cc: Some(12),
    audio_level: Some(11),
    video_orientation: Some(10),
    playout_delay: Some(9),
    dependency_descriptor: Some(8),
};

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) to: TransportId,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn header(&self) -> Header {
        Header::parse(&self.bytes).expect("an RTP header")
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.header().len..]
    }

    pub(crate) fn extension(&self, id: Option<u8>) -> Option<&[u8]> {
        self.header().extension(&self.bytes, id?)
    }
}

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) rtp: Vec<Sent>,
    pub(crate) rtcp: Vec<Sent>,
    pub(crate) data: Vec<(TransportId, Channel, Vec<u8>)>,
}

impl Egress for Recorder {
    fn rtp(
        &mut self,
        to: TransportId,
        header: &[u8],
        prefix: &[u8],
        payload: &[u8],
        _out: &mut Outbox,
    ) -> bool {
        self.rtp.push(Sent { to, bytes: [header, prefix, payload].concat() });
        true
    }

    fn rtcp(&mut self, to: TransportId, compound: &[u8], _out: &mut Outbox) -> bool {
        self.rtcp.push(Sent { to, bytes: compound.to_vec() });
        true
    }

    fn data(
        &mut self,
        to: TransportId,
        channel: Channel,
        message: &[u8],
        _out: &mut Outbox,
    ) -> bool {
        self.data.push((to, channel, message.to_vec()));
        true
    }
}

/// A publisher's stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) fixed: Fixed,
    pub(crate) mid: &'static str,
    pub(crate) rid: Option<&'static str>,
    pub(crate) level: Option<u8>,
    pub(crate) orientation: Option<u8>,
    pub(crate) transport_cc: Option<u16>,
    /// A dependency descriptor.
    pub(crate) descriptor: Option<Vec<u8>>,
}

impl Stream {
    pub(crate) fn video(ssrc: u32, rid: Option<&'static str>) -> Self {
        let fixed =
            Fixed { marker: true, payload_type: VP8, sequence: 1000, timestamp: 90_000, ssrc };
        let mid = VIDEO_MID;
        Self {
            fixed,
            mid,
            rid,
            level: None,
            orientation: None,
            transport_cc: None,
            descriptor: None,
        }
    }

    pub(crate) fn audio(ssrc: u32) -> Self {
        let fixed =
            Fixed { marker: false, payload_type: OPUS, sequence: 65_530, timestamp: 480, ssrc };
        let mid = AUDIO_MID;
        Self {
            fixed,
            mid,
            rid: None,
            level: None,
            orientation: None,
            transport_cc: None,
            descriptor: None,
        }
    }

    /// The next frame's numbers.
    pub(crate) fn next(&mut self) -> &mut Self {
        self.fixed.sequence = self.fixed.sequence.wrapping_add(1);
        let step = if self.fixed.payload_type == OPUS { 960 } else { 3000 };
        self.fixed.timestamp = self.fixed.timestamp.wrapping_add(step);
        self
    }

    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        self.numbered(&self.fixed, payload)
    }

    /// The packet sent again in a stream of retransmissions.
    pub(crate) fn repair(&self, ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let payload_type = self.fixed.payload_type + 1;
        let fixed = Fixed { ssrc, sequence, payload_type, ..self.fixed };
        let original = self.fixed.sequence.to_be_bytes();
        self.numbered(&fixed, &[&original, payload].concat())
    }

    fn numbered(&self, fixed: &Fixed, payload: &[u8]) -> Vec<u8> {
        let rtx = [VP8_RTX, H264_RTX, VP9_RTX, AV1_RTX].contains(&fixed.payload_type);
        let level = self.level.map(|level| vec![AudioLevel { voice: true, level }.write()]);
        let rid = self.rid.map(|rid| rid.as_bytes().to_vec());
        let elements = [
            (1, Some(self.mid.as_bytes().to_vec())),
            (if rtx { 3 } else { 2 }, rid),
            (5, self.transport_cc.map(|number| number.to_be_bytes().to_vec())),
            (6, level),
            (7, self.orientation.map(|orientation| vec![orientation])),
            (DESCRIPTOR_ID, self.descriptor.clone()),
        ];
        let elements: Vec<_> =
            elements.into_iter().filter_map(|(id, value)| Some((id, value?))).collect();
        let mut buffer = [0; 512];
        let mut writer = Writer::begin(&mut buffer, fixed);
        let long = elements.iter().any(|(_, value)| !(1..=16).contains(&value.len()));
        for (id, value) in elements.iter().filter(|_| !long) {
            writer.extension(*id, value);
        }
        let len = writer.finish().expect("a header that fits");
        let mut packet = buffer[..len].to_vec();
        if long {
            let mut bytes: Vec<u8> = Vec::new();
            for (id, value) in &elements {
                bytes.extend([*id, value.len() as u8]);
                bytes.extend(value);
            }
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            packet[0] |= 0x10;
            packet.extend([0x10, 0, 0, (bytes.len() / 4) as u8]);
            packet.extend(bytes);
        }
        packet.extend(payload);
        packet
    }
}

/// A VP8 payload of one packet: descriptor with 15-bit picture id and TL0 index, then `body`.
pub(crate) fn vp8(keyframe: bool, picture: u16, tl0: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let first = if keyframe { 0x10 } else { 0x11 };
    [&[0x90, 0xe0, high, low, tl0, 0x20, first], body].concat()
}

/// Picture id, TL0 index and body of such a payload.
pub(crate) fn read_vp8(payload: &[u8]) -> (u16, u8, &[u8]) {
    let picture = u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff;
    (picture, payload[4], &payload[7..])
}

pub(crate) struct World {
    pub(crate) room: Room,
    pub(crate) now: Instant,
    pub(crate) egress: Recorder,
    pub(crate) out: Outbox,
}

impl World {
    /// A publisher with a video and an audio track, and so many subscribers of both.
    pub(crate) fn with_call(rids: &[&str], subscribers: u64) -> Self {
        let mut world = Self::empty(Limits::default());
        world.join(1, PUBLISHER, DataRole::Accept);
        world.publish(&Self::video_track(rids));
        world.publish(&Self::audio_track());
        for number in 0..subscribers {
            let transport = Self::subscriber(number);
            world.join(100 + number, transport, DataRole::Open);
            world.subscribe(&Self::video_subscription(number));
            world.subscribe(&Self::audio_subscription(number));
        }
        world
    }

    #[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    pub(crate) fn empty(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            room: Room::new(RoomId(7), limits, 1, now),
            now,
            egress: Recorder::default(),
            out: Outbox::new(1 << 16, 64),
        }
    }

    pub(crate) fn subscriber(number: u64) -> TransportId {
        TransportId(100 + number)
    }

    pub(crate) fn participant(id: u64) -> ParticipantSpec {
        ParticipantSpec {
            participant: ParticipantId(id),
            identity: format!("p{id}"),
            stamp: [&[0x22, 4][..], format!("p{id:03}").as_bytes()].concat(),
            can_publish_data: true,
            can_subscribe: true,
        }
    }

    pub(crate) fn video_track(rids: &[&str]) -> TrackSpec {
        TrackSpec {
            track: VIDEO,
            participant: ParticipantId(1),
            transport: PUBLISHER,
            kind: Kind::Video,
            mid: VIDEO_MID.into(),
            codecs: vec![
                CodecSpec { codec: Codec::Vp8, payload_type: VP8, rtx: Some(VP8_RTX) },
                CodecSpec { codec: Codec::H264, payload_type: H264, rtx: Some(H264_RTX) },
                CodecSpec { codec: Codec::Vp9, payload_type: VP9, rtx: Some(VP9_RTX) },
                CodecSpec { codec: Codec::Av1, payload_type: AV1, rtx: Some(AV1_RTX) },
            ],
            ssrcs: Vec::new(),
            rids: rids.iter().map(|rid| (*rid).into()).collect(),
            extensions: IDS,
            muted: false,
        }
    }

    pub(crate) fn audio_track() -> TrackSpec {
        TrackSpec {
            track: AUDIO,
            kind: Kind::Audio,
            mid: AUDIO_MID.into(),
            codecs: vec![CodecSpec { codec: Codec::Opus, payload_type: OPUS, rtx: None }],
            ssrcs: vec![SsrcSpec { ssrc: 20, rtx: None }],
            ..Self::video_track(&[])
        }
    }

    pub(crate) fn video_subscription(number: u64) -> SubscriptionSpec {
        SubscriptionSpec {
            subscription: SubscriptionId(100 + number),
            track: VIDEO,
            participant: ParticipantId(100 + number),
            transport: Self::subscriber(number),
            mid: "v0".into(),
            ssrc: 5000,
            rtx_ssrc: Some(5001),
            codecs: vec![
                CodecSpec { codec: Codec::Vp8, payload_type: 120, rtx: Some(121) },
                CodecSpec { codec: Codec::H264, payload_type: 122, rtx: Some(123) },
                CodecSpec { codec: Codec::Vp9, payload_type: 124, rtx: Some(125) },
                CodecSpec { codec: Codec::Av1, payload_type: 126, rtx: Some(127) },
            ],
            extensions: SUBSCRIBER_IDS,
            choice: Choice::High,
            fps_max: None,
        }
    }

    pub(crate) fn audio_subscription(number: u64) -> SubscriptionSpec {
        SubscriptionSpec {
            subscription: SubscriptionId(1100 + number),
            track: AUDIO,
            mid: "a0".into(),
            ssrc: 6000,
            rtx_ssrc: None,
            codecs: vec![CodecSpec { codec: Codec::Opus, payload_type: 110, rtx: None }],
            ..Self::video_subscription(number)
        }
    }

    /// A participant with one connected transport.
    pub(crate) fn join(&mut self, id: u64, transport: TransportId, role: DataRole) {
        let spec = Self::participant(id);
        assert_eq!(self.command(&Command::Participant(spec)), Answer::Done);
        self.room.opened(self.now, transport, ParticipantId(id), role).expect("a free place");
        self.room.connected(self.now, transport, &mut self.egress, &mut self.out);
    }

    pub(crate) fn publish(&mut self, spec: &TrackSpec) {
        assert_eq!(self.command(&Command::Publish(spec.clone())), Answer::Done);
    }

    pub(crate) fn subscribe(&mut self, spec: &SubscriptionSpec) {
        assert_eq!(self.command(&Command::Subscribe(spec.clone())), Answer::Done);
    }

    pub(crate) fn choose(&mut self, number: u64, choice: Choice) {
        self.choose_fps(number, choice, None);
    }

    pub(crate) fn choose_fps(&mut self, number: u64, choice: Choice, fps_max: Option<u16>) {
        let subscription = SubscriptionId(100 + number);
        let command = Command::Choose { subscription, choice, fps_max };
        assert_eq!(self.command(&command), Answer::Done);
    }

    pub(crate) fn mute(&mut self, track: TrackId, muted: bool) {
        assert_eq!(self.command(&Command::Mute { track, muted }), Answer::Done);
    }

    pub(crate) fn command(&mut self, command: &Command) -> Answer {
        self.room.command(self.now, command, &mut self.egress, &mut self.out)
    }

    /// Lets time pass, doing what is due on the way.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.room.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.room.advance(self.now, &mut self.egress, &mut self.out);
        }
        self.now = end;
    }

    pub(crate) fn sleep_ms(&mut self, ms: u64) {
        self.sleep(Duration::from_millis(ms));
    }

    /// Gives the room a packet of the publisher; returns what left because of it.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Vec<Sent> {
        self.receive_from(PUBLISHER, packet)
    }

    pub(crate) fn receive_from(&mut self, from: TransportId, packet: &[u8]) -> Vec<Sent> {
        let before = self.egress.rtp.len();
        self.room.rtp(self.now, from, packet, &mut self.egress, &mut self.out);
        self.egress.rtp.split_off(before)
    }

    /// Gives the room RTCP; returns the media that left because of it.
    /// A subscriber asks again for the packet `back` numbers before the newest one that it got.
    pub(crate) fn nack(&mut self, from: TransportId, highest: u64, back: u16) -> Vec<Sent> {
        let wanted = (highest as u16).wrapping_sub(back);

        self.rtcp(from, |rtcp| assert!(rtcp.nack(1, 5000, [wanted])))
    }

    pub(crate) fn rtcp(
        &mut self,
        from: TransportId,
        write: impl FnOnce(&mut rtcp::Writer<'_>),
    ) -> Vec<Sent> {
        let mut buffer = [0; 1200];
        let mut writer = rtcp::Writer::new(&mut buffer);
        write(&mut writer);
        let before = self.egress.rtp.len();
        let compound = writer.written();
        self.room.rtcp(self.now, from, compound, &mut self.egress, &mut self.out);
        self.egress.rtp.split_off(before)
    }

    /// Takes the RTCP that left for a transport.
    pub(crate) fn take_rtcp(&mut self, to: TransportId) -> Vec<Vec<u8>> {
        let (taken, rest) = self.egress.rtcp.drain(..).partition(|sent| sent.to == to);
        self.egress.rtcp = rest;
        let taken: Vec<Sent> = taken;
        taken.into_iter().map(|sent| sent.bytes).collect()
    }

    /// Takes the keyframe requests that left for the publisher: SSRCs.
    pub(crate) fn take_plis(&mut self) -> Vec<u32> {
        let compounds = self.take_rtcp(PUBLISHER);
        let packets = compounds.iter().flat_map(|compound| rtcp::packets(compound));
        let pli = |packet| match packet {
            rtcp::Packet::Pli { media, .. } => Some(media),
            _ => None,
        };
        packets.filter_map(pli).collect()
    }

    /// Takes the sequence numbers that the publisher is asked for again.
    pub(crate) fn take_nacks(&mut self) -> Vec<u16> {
        let compounds = self.take_rtcp(PUBLISHER);
        let packets = compounds.iter().flat_map(|compound| rtcp::packets(compound));
        let nack = |packet| match packet {
            rtcp::Packet::Nack { sequences, .. } => Some(sequences),
            _ => None,
        };
        packets.filter_map(nack).flatten().collect()
    }

    pub(crate) fn take_events(&mut self) -> Vec<control::Event> {
        let event = |event| match event {
            Event::Control(Message::Event(event)) => Some(event),
            _ => None,
        };
        self.out.events.drain(..).filter_map(event).collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        self.room.counters(&mut counters);
        counters
    }
}
