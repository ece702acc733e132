//! Recorded rooms: what stands in the media log, and what it says of what does not.

use crate::layers::{RIDS, Simulcast};
use crate::world::{AUDIO, PUBLISHER, Stream, VIDEO, World, read_vp8, vp8};
use relay_shard::{Logged, Unwritten};
use relay_wire::control::{
    Answer, Codec, Command, Event, RecordingNews, RecordingSpec, Refusal, TrackId,
};
use relay_wire::medialog::{BLOCK_MAX, FACT_MAX, Item, LogId, Reader, Record};
use std::time::Duration;

const LOG: LogId = LogId(0x1111_2222_3333_4444);

/// A disk that takes what it is given.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    opened: Vec<String>,
    closed: usize,
}

/// A packet as it was read.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    at_us: u64,
    layer: u8,
    sequence: u64,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Disk {
    /// Writes what there is, and gives the memory back.
    fn write(&mut self, world: &mut World) {
        let logged: Vec<_> = world.out.logged().collect();
        for entry in logged {
            match entry {
                Logged::Opened { name, .. } => self.opened.push(name),
                Logged::Block(mut full) => {
                    self.bytes.extend_from_slice(full.block.seal());
                    world.out.lend_block(full.block.into_bytes());
                }
                Logged::Closed(log) => {
                    assert_eq!(log, LOG);
                    self.closed += 1;
                }
            }
        }
    }

    /// All records, of which none may be damaged.
    fn read<T>(&self, mut each: impl FnMut(&Record<'_>) -> Option<T>) -> Vec<T> {
        let mut reader = Reader::new();
        let mut read = Vec::new();
        reader.push(&self.bytes);
        while let Some(item) = reader.finish() {
            let Item::Record(record) = item else { panic!("{item:?}") };
            read.extend(each(&record));
        }

        read
    }

    fn packets(&self, of: TrackId) -> Vec<Read> {
        self.read(|record| match record {
            Record::Packet(packet) if packet.track == of => Some(Read {
                at_us: packet.at_us,
                layer: packet.layer,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                payload: packet.payload.to_vec(),
            }),
            _ => None,
        })
    }
}

fn spec() -> RecordingSpec {
    RecordingSpec { log: LOG, name: "RM_x-1".into() }
}

fn lend(world: &mut World, blocks: usize) {
    (0..blocks).for_each(|_| world.out.lend_block(vec![0; BLOCK_MAX].into_boxed_slice()));
}

fn record(world: &mut World) {
    lend(world, 4);
    assert_eq!(world.command(&Command::Record(spec())), Answer::Done);
}

fn stop(world: &mut World, disk: &mut Disk) {
    assert_eq!(world.command(&Command::StopRecording), Answer::Done);
    disk.write(world);
}

/// Sound for so many packets.
fn talk(world: &mut World, stream: &mut Stream, packets: usize) {
    for _ in 0..packets {
        world.receive(&stream.next().packet(b"sound"));
        world.sleep_ms(20);
    }
}

#[test]
fn a_recorded_room_is_all_in_its_log() {
    let mut world = World::with_call(&[], 0);
    let mut disk = Disk::default();
    world.room.set_clock(world.now, Duration::from_secs(1_800_000_000));
    record(&mut world);
    let mut stream = Stream::audio(20);
    stream.level = Some(9);
    let command = Command::Note(br#"{"fact":"room"}"#.to_vec());
    assert_eq!(world.command(&command), Answer::Done);
    talk(&mut world, &mut stream, 100);
    world.mute(AUDIO, true);
    world.sleep_ms(1500);
    stop(&mut world, &mut disk);

    assert_eq!((disk.opened.as_slice(), disk.closed), (&["RM_x-1".to_owned()][..], 1));
    let kinds = disk.read(|record| match record {
        Record::Start(start) => {
            assert_eq!(start.unix_us, 1_800_000_000_000_000);
            Some("start")
        }
        Record::Fact(fact) => {
            assert_eq!(fact.json, br#"{"fact":"room"}"#);
            Some("fact")
        }
        Record::Mute(mute) => {
            assert_eq!((mute.track, mute.muted, mute.at_us), (AUDIO, true, 2_000_000));
            Some("mute")
        }
        Record::Speakers(speakers) => Some(match speakers.loudest_first() {
            [] => "silence",
            _ => "speakers",
        }),
        Record::End(end) => {
            assert_eq!(end.at_us, 3_500_000);
            Some("end")
        }
        Record::Packet(packet) => {
            assert_eq!((packet.codec, packet.audio_level), (Codec::Opus, Some(9)));
            None
        }
        Record::Report(_) | Record::Lost(_) => panic!("{record:?}"),
    });
    let expected = [&["start", "fact"][..], &["mute", "silence", "end"]];
    assert_eq!(&kinds[..2], expected[0]);
    assert_eq!(&kinds[kinds.len() - 3..], expected[1]);
    assert!(kinds.contains(&"speakers"));
    let packets = disk.packets(AUDIO);
    assert_eq!(packets.len(), 100);
    for (number, pair) in packets.windows(2).enumerate() {
        assert_eq!(pair[0].at_us, 20_000 * number as u64);
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert_eq!(pair[1].timestamp, pair[0].timestamp + 960);
        assert_eq!(pair[1].payload, b"sound");
    }
    let counters = world.counters();
    assert_eq!((counters.recordings, counters.recording_lost), (0, 0));
    assert_eq!(counters.recorded_records as usize, disk.read(|_| Some(())).len());
}

#[test]
fn blocks_go_out_each_second_even_when_little_is_said() {
    let mut world = World::with_call(&[], 0);
    let mut disk = Disk::default();
    record(&mut world);
    talk(&mut world, &mut Stream::audio(20), 60);
    disk.write(&mut world);

    let packets = disk.packets(AUDIO);
    assert!((49..=51).contains(&packets.len()), "{}", packets.len());
}

#[test]
fn layers_of_simulcast_become_one_stream_of_the_highest() {
    let mut world = World::with_call(&RIDS, 0);
    let mut simulcast = Simulcast::new();
    simulcast.play(&mut world, 10);
    record(&mut world);
    let mut disk = Disk::default();
    for alive in [[true; 3], [true, true, false], [true; 3]] {
        simulcast.alive = alive;
        simulcast.play(&mut world, 90);
        disk.write(&mut world);
    }
    stop(&mut world, &mut disk);

    let packets = disk.packets(VIDEO);
    let mut layers: Vec<_> = packets.iter().map(|packet| packet.layer).collect();
    assert!(layers.len() > 180, "{}", layers.len());
    layers.dedup();
    assert_eq!(layers, [2, 1, 2]);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 2 * 90_000);
        let picture = |read: &Read| read_vp8(&read.payload).0;
        assert_eq!(picture(&pair[1]).wrapping_sub(picture(&pair[0])) & 0x7fff, 1);
        assert_eq!(read_vp8(&pair[1].payload).2, [pair[1].layer]);
    }
}

#[test]
fn a_recording_that_starts_in_mid_call_asks_for_a_keyframe() {
    let mut world = World::with_call(&[], 0);
    let mut stream = Stream::video(30, None);
    world.receive(&stream.next().packet(&vp8(true, 1, 1, b"k")));
    for picture in 2..30 {
        world.receive(&stream.next().packet(&vp8(false, picture, 1, b"d")));
        world.sleep_ms(33);
    }
    world.take_plis();
    record(&mut world);
    assert_eq!(world.take_plis(), [30]);

    let mut disk = Disk::default();
    world.receive(&stream.next().packet(&vp8(false, 30, 1, b"d")));
    world.receive(&stream.next().packet(&vp8(true, 31, 1, b"k")));
    stop(&mut world, &mut disk);
    let packets = disk.packets(VIDEO);
    assert_eq!(packets.iter().map(|p| read_vp8(&p.payload).2).collect::<Vec<_>>(), [b"k"]);
}

#[test]
fn repairs_and_duplicates_are_told_apart() {
    let mut world = World::with_call(&[], 0);
    record(&mut world);
    let mut stream = Stream::video(30, None);
    world.receive(&stream.next().packet(&vp8(true, 1, 1, b"1")));
    let lost = stream.next().clone();
    world.receive(&stream.next().packet(&vp8(false, 3, 1, b"3")));
    let repair = lost.repair(31, 500, &vp8(false, 2, 1, b"2"));
    world.receive(&repair);
    world.receive(&lost.packet(&vp8(false, 2, 1, b"2")));
    let mut disk = Disk::default();
    stop(&mut world, &mut disk);

    let packets = disk.packets(VIDEO);
    let came: Vec<_> = packets
        .iter()
        .map(|p| (p.sequence - packets[0].sequence, read_vp8(&p.payload).2))
        .collect();
    assert_eq!(came, [(0, &b"1"[..]), (2, b"3"), (1, b"2")]);
    let repairs = disk.read(|record| match record {
        Record::Packet(packet) => Some(packet.repair),
        _ => None,
    });
    assert_eq!(repairs, [false, false, true]);
}

#[test]
fn sender_reports_follow_the_recorded_stream() {
    let mut world = World::with_call(&RIDS, 0);
    let mut simulcast = Simulcast::new();
    record(&mut world);
    simulcast.play(&mut world, 60);
    let mut disk = Disk::default();
    let ntp = 77 << 32;
    world.rtcp(PUBLISHER, |rtcp| {
        for ssrc in [31, 32, 33] {
            let rtp = ssrc_time(ssrc, 60);
            let info = relay_wire::rtcp::SenderInfo { ssrc, ntp, rtp, packets: 1, octets: 1 };
            rtcp.sender_report(&info, &[]);
        }
    });
    stop(&mut world, &mut disk);

    let reports = disk.read(|record| match record {
        Record::Report(report) => Some((report.layer, report.ntp, report.timestamp)),
        _ => None,
    });
    let last = disk.packets(VIDEO).pop().expect("packets");
    assert_eq!(reports, [(2, ntp, last.timestamp)]);
}

/// RTP time of a layer's frame of this number.
fn ssrc_time(ssrc: u32, frame: u32) -> u32 {
    ((ssrc - 30) * 1_000_000_000).wrapping_add(frame * 3000)
}

#[test]
fn a_layer_that_is_switched_to_brings_its_report_along() {
    let mut world = World::with_call(&[], 0);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, 5);
    let told = stream.fixed.timestamp;
    world.rtcp(PUBLISHER, |rtcp| {
        let info = relay_wire::rtcp::SenderInfo {
            ssrc: 20,
            ntp: 9 << 32,
            rtp: told,
            packets: 1,
            octets: 1,
        };
        rtcp.sender_report(&info, &[]);
    });
    talk(&mut world, &mut stream, 50);
    record(&mut world);
    let mut disk = Disk::default();
    talk(&mut world, &mut stream, 5);
    stop(&mut world, &mut disk);

    let reports = disk.read(|record| match record {
        Record::Report(report) => Some((report.at_us, report.ntp, report.timestamp)),
        _ => None,
    });
    let first = &disk.packets(AUDIO)[0];
    assert_eq!(reports.len(), 1);
    let (at_us, ntp, timestamp) = reports[0];
    assert_eq!(at_us, first.at_us);
    assert_eq!(ntp.wrapping_sub(9 << 32) >> 32, 1, "a second later");
    assert!(first.timestamp.abs_diff(timestamp) <= 960, "{} {timestamp}", first.timestamp);
}

#[test]
fn a_disk_that_is_too_slow_costs_records_and_the_log_says_which() {
    let mut world = World::with_call(&[], 0);
    let mut disk = Disk::default();
    record(&mut world);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, 400);
    assert!(world.counters().recording_lost > 100, "four blocks are four seconds");
    disk.write(&mut world);
    let before = disk.packets(AUDIO).len();
    talk(&mut world, &mut stream, 100);
    disk.write(&mut world);
    stop(&mut world, &mut disk);

    let lost = disk.read(|record| match record {
        Record::Lost(lost) => Some(*lost),
        _ => None,
    });
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].records as usize, 400 - before);
    assert_eq!(lost[0].bytes, lost[0].records * 5);
    assert_eq!(lost[0].at_us, 8_000_000);
    assert_eq!(lost[0].since_us, 20_000 * before as u64);
    assert_eq!(disk.packets(AUDIO).len(), before + 100);
    assert_eq!(world.counters().recording_lost, lost[0].records);
    let told: Vec<_> = world.take_events();
    let (records, bytes) = (lost[0].records, lost[0].bytes);
    let news = RecordingNews::Lost { records, bytes };
    assert!(told.iter().any(|event| matches!(event, Event::Recording(_, LOG, n) if *n == news)));
}

/// Refuses all blocks that wait for the disk; their memory is gone. Returns their records.
fn refuse(world: &mut World) -> u64 {
    let blocks = world.out.logged().filter_map(|logged| match logged {
        Logged::Block(full) => Some(full.unwritten()),
        Logged::Opened { .. } | Logged::Closed(_) => None,
    });
    let blocks: Vec<Unwritten> = blocks.collect();
    for refused in &blocks {
        world.room.unwritten(refused);
        world.room.unwritten(&Unwritten { log: LogId(1), ..*refused });
    }
    blocks.iter().map(|refused| refused.records).sum()
}

#[test]
fn what_the_disk_refused_is_said_where_writing_goes_on() {
    let mut world = World::with_call(&[], 0);
    let mut disk = Disk::default();
    record(&mut world);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, 60);
    let first = refuse(&mut world);
    talk(&mut world, &mut stream, 100);
    let second = refuse(&mut world);
    stop(&mut world, &mut disk);

    let mut reader = Reader::new();
    reader.push(&disk.bytes);
    let mut lost = Vec::new();
    let mut damages = 0;
    while let Some(item) = reader.finish() {
        match item {
            Item::Record(Record::Lost(told)) => lost.push((told.records, told.since_us)),
            Item::Record(_) => {}
            Item::Damage(_) => damages += 1,
        }
    }
    assert!(first > 0 && second > 0);
    assert_eq!(lost, [(first + second, 0)], "also what a refused one told of");
    assert_eq!(damages, 1, "their numbers are missing");
    assert_eq!(world.counters().recording_lost, lost[0].0);
}

#[test]
fn without_memory_the_end_is_written_all_the_same() {
    let mut world = World::with_call(&[], 0);
    assert_eq!(world.command(&Command::Record(spec())), Answer::Done);
    talk(&mut world, &mut Stream::audio(20), 10);
    let mut disk = Disk::default();
    stop(&mut world, &mut disk);

    let kinds = disk.read(|record| match record {
        Record::Lost(lost) => Some(lost.records),
        Record::End(_) => Some(0),
        _ => panic!("{record:?}"),
    });
    assert_eq!(kinds, [11, 0], "the start, and the packets");
    assert_eq!(disk.closed, 1);
}

#[test]
fn payloads_that_are_no_media_are_counted() {
    let mut world = World::with_call(&[], 0);
    record(&mut world);
    let mut stream = Stream::audio(20);
    world.receive(&stream.next().packet(&[7; 3000]));
    world.receive(&stream.next().packet(&[7; 2000]));
    let mut video = Stream::video(30, None);
    world.receive(&video.next().packet(&vp8(true, 1, 1, &[7; 3000])));
    let mut disk = Disk::default();
    stop(&mut world, &mut disk);

    assert_eq!(disk.packets(AUDIO).len(), 1);
    assert_eq!(disk.packets(VIDEO).len(), 0);
    assert_eq!(world.counters().recording_lost, 2);
}

#[test]
fn wrong_commands_are_refused_and_change_nothing() {
    let mut world = World::with_call(&[], 0);
    let refused = Answer::Refused;
    assert_eq!(world.command(&Command::StopRecording), refused(Refusal::Unknown));
    assert_eq!(world.command(&Command::Note(Vec::new())), refused(Refusal::Unknown));
    for name in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"x".repeat(129)] {
        let spec = RecordingSpec { log: LOG, name: name.into() };
        assert_eq!(world.command(&Command::Record(spec)), refused(Refusal::Invalid), "{name}");
    }
    record(&mut world);
    assert_eq!(world.command(&Command::Record(spec())), refused(Refusal::Invalid));
    let long = Command::Note(vec![b' '; FACT_MAX + 1]);
    assert_eq!(world.command(&long), refused(Refusal::Invalid));
    let longest = Command::Note(vec![b' '; FACT_MAX]);
    assert_eq!(world.command(&longest), Answer::Done);
    let mut disk = Disk::default();
    assert_eq!(world.command(&Command::CloseRoom), Answer::Done);
    disk.write(&mut world);
    assert_eq!((disk.opened.len(), disk.closed), (1, 1));
}
