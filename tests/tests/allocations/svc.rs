//! A track of layers in one stream on its way to subscribers of all choices.

use super::scalable::{Inter, Mode};
use millrace_tests::allocations;
use relay_shard::{Egress, Limits, Outbox, Room};
use relay_wire::control::{
    Channel, Choice, Codec, CodecSpec, Command, DataRole, Extensions, Kind, ParticipantId,
    ParticipantSpec, RoomId, SubscriptionId, SubscriptionSpec, TrackId, TrackSpec, TransportId,
};
use relay_wire::rtcp;
use std::time::{Duration, Instant};

const SUBSCRIBERS: u64 = 24;
const PUBLISHER: ParticipantId = ParticipantId(1);
const EXTENSIONS: Extensions = Extensions {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    abs_send_time: Some(2),
    transport_cc: Some(3),
    audio_level: None,
    video_orientation: None,
    playout_delay: None,
    dependency_descriptor: Some(4),
};

/// Counts what leaves.
#[derive(Default)]
struct Counter {
    packets: u64,
}

impl Egress for Counter {
    fn rtp(&mut self, _: TransportId, _: &[u8], _: &[u8], _: &[u8], _: &mut Outbox) -> bool {
        self.packets += 1;
        true
    }

    fn rtcp(&mut self, _: TransportId, _: &[u8], _: &mut Outbox) -> bool {
        true
    }

    fn data(&mut self, _: TransportId, _: Channel, _: &[u8], _: &mut Outbox) -> bool {
        true
    }
}

/// A room, and the time that passes in it.
struct Call {
    room: Room,
    now: Instant,
    egress: Counter,
    out: Outbox,
}

impl Call {
    #[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new() -> Self {
        let now = Instant::now();
        let room = Room::new(RoomId(1), Limits::default(), 1, now);
        let mut call = Self { room, now, egress: Counter::default(), out: Outbox::new(1 << 12, 8) };
        call.join(PUBLISHER);
        let codecs = vec![CodecSpec { codec: Codec::Av1, payload_type: 45, rtx: Some(46) }];
        call.command(&Command::Publish(TrackSpec {
            track: TrackId(1),
            participant: PUBLISHER,
            transport: TransportId(PUBLISHER.0),
            kind: Kind::Video,
            mid: "0".into(),
            codecs: codecs.clone(),
            ssrcs: Vec::new(),
            rids: Vec::new(),
            extensions: EXTENSIONS,
            muted: false,
        }));
        for number in 100..100 + SUBSCRIBERS {
            call.join(ParticipantId(number));
            let choices = [Choice::Low, Choice::Medium, Choice::High];
            call.command(&Command::Subscribe(SubscriptionSpec {
                subscription: SubscriptionId(number),
                track: TrackId(1),
                participant: ParticipantId(number),
                transport: TransportId(number),
                mid: "0".into(),
                ssrc: 5000,
                rtx_ssrc: Some(5001),
                codecs: codecs.clone(),
                extensions: EXTENSIONS,
                choice: choices[number as usize % 3],
                fps_max: [None, Some(15), Some(8)][number as usize / 3 % 3],
            }));
        }
        call
    }

    fn join(&mut self, participant: ParticipantId) {
        self.command(&Command::Participant(ParticipantSpec {
            participant,
            identity: participant.0.to_string(),
            stamp: Vec::new(),
            can_publish_data: true,
            can_subscribe: true,
        }));
        let transport = TransportId(participant.0);
        let opened = self.room.opened(self.now, transport, participant, DataRole::Accept);
        opened.expect("a place for the transport");
        self.room.connected(self.now, transport, &mut self.egress, &mut self.out);
    }

    fn command(&mut self, command: &Command) {
        self.room.command(self.now, command, &mut self.egress, &mut self.out);
    }

    /// Takes the packets of some pictures, 33 ms apart; one subscriber asks for packets again.
    fn play(&mut self, pictures: &[Vec<Vec<u8>>]) {
        for picture in pictures {
            for packet in picture {
                let from = TransportId(PUBLISHER.0);
                self.room.rtp(self.now, from, packet, &mut self.egress, &mut self.out);
            }
            let mut buffer = [0; 64];
            let mut writer = rtcp::Writer::new(&mut buffer);
            writer.nack(1, 5000, [self.egress.packets as u16]);
            let (from, nack) = (TransportId(100), writer.written());
            self.room.rtcp(self.now, from, nack, &mut self.egress, &mut self.out);
            self.now += Duration::from_millis(33);
            self.room.advance(self.now, &mut self.egress, &mut self.out);
            self.out.clear();
        }
    }
}

/// Pictures of three spatial and three temporal layers, keyframes among them.
fn pictures(count: u16) -> Vec<Vec<Vec<u8>>> {
    let mut mode = Mode::new(3, 3, Inter::Key);
    let mut sequence = 0_u16;
    let picture = |number: u16| {
        let frames = mode.picture(number.is_multiple_of(50));
        let packet = |frame: &super::scalable::Frame| {
            sequence += 1;
            let value = frame.descriptor.write(&mode.structure);
            let mut packet = vec![0x90, 45];
            packet.extend(sequence.to_be_bytes());
            packet.extend((u32::from(number) * 3000).to_be_bytes());
            packet.extend([0, 0, 0, 30, 0x10, 0]);
            let words = (3 + 2 + value.len()).div_ceil(4);
            packet.extend((words as u16).to_be_bytes());
            packet.extend([1, 1, b'0', 4, value.len() as u8]);
            packet.extend(&value);
            packet.resize(16 + 4 * words, 0);
            packet.extend([0x10; 1000]);
            packet
        };
        frames.iter().map(packet).collect()
    };
    (0..count).map(picture).collect()
}

#[test]
fn a_track_of_layers_allocates_nothing() {
    let pictures = pictures(600);
    let mut call = Call::new();
    call.play(&pictures[..300]);
    call.egress.packets = 0;
    let allocations = allocations::count(|| call.play(&pictures[300..]));

    // Two of three subscribers get less than every picture, and each one layer of three.
    assert!((3_000..300 * SUBSCRIBERS).contains(&call.egress.packets), "{}", call.egress.packets);
    assert_eq!(allocations, 0);
}
