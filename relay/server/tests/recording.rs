//! Recordings on a disk: what a shard logs is written, whole, and what the disk refuses is said.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_wire::control::{
    Answer, Command, Event, Message, RecordingNews, RecordingSpec, Refusal, Request, RoomId,
};
use relay_wire::medialog::{Damage, FACT_MAX, Item, LogId, Reader, Record};
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::Duration;
use world::{BACKENDS, Directory, PATIENCE, World, participant};

const LOG: LogId = LogId(77);

/// A record, as far as these tests look at it.
#[derive(Clone, Debug, PartialEq)]
enum Read {
    Start { unix_us: u64 },
    Fact(Vec<u8>),
    Lost { records: u64 },
    End,
}

fn record(log: u64, name: &str) -> Command {
    Command::Record(RecordingSpec { log: LogId(log), name: name.into() })
}

/// Files of a log, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "mlog"));
    files.sort();
    files
}

/// All that a log holds, and what is missing of it.
fn read(directory: &Path) -> (Vec<Read>, Vec<Damage>) {
    let mut reader = Reader::new();
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    for file in files(directory) {
        reader.push(&std::fs::read(file).unwrap());
        while let Some(item) = reader.finish() {
            match item {
                Item::Record(Record::Start(start)) => {
                    records.push(Read::Start { unix_us: start.unix_us });
                }
                Item::Record(Record::Fact(fact)) => records.push(Read::Fact(fact.json.to_vec())),
                Item::Record(Record::Lost(lost)) => {
                    records.push(Read::Lost { records: lost.records });
                }
                Item::Record(Record::End(_)) => records.push(Read::End),
                Item::Record(other) => panic!("{other:?}"),
                Item::Damage(damage) => damages.push(damage),
            }
        }
    }

    (records, damages)
}

/// Waits for the news that `wanted` accepts.
fn news(world: &World, mut wanted: impl FnMut(&RecordingNews) -> bool) -> RecordingNews {
    loop {
        let message = world.messages.recv_timeout(PATIENCE).expect("news");
        if let Message::Event(Event::Recording(RoomId(1), LOG, news)) = message
            && wanted(&news)
        {
            return news;
        }
    }
}

fn long_fact(number: u32) -> Vec<u8> {
    let mut fact = vec![b' '; FACT_MAX];
    fact[..4].copy_from_slice(&number.to_be_bytes());
    fact
}

#[test]
fn a_log_is_whole_on_the_disk_when_its_end_is_told() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        assert_eq!(world.ask(1, 1, participant(1)), Answer::Done);
        assert_eq!(world.ask(2, 1, record(77, "RM_one")), Answer::Done);
        let facts: Vec<_> = (0..100).map(long_fact).collect();
        for fact in &facts {
            assert_eq!(world.ask(3, 1, Command::Note(fact.clone())), Answer::Done);
        }
        assert_eq!(world.ask(4, 1, Command::StopRecording), Answer::Done);
        news(&world, |news| *news == RecordingNews::Ended);

        let directory = world.directory.0.join("recordings/RM_one");
        let (records, damages) = read(&directory);
        assert_eq!(damages, []);
        let [Read::Start { unix_us }, told @ .., Read::End] = records.as_slice() else {
            panic!("{} records", records.len());
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(now.as_micros().abs_diff((*unix_us).into()) < 60_000_000, "{unix_us}");
        let kept: Vec<_> = facts.into_iter().map(Read::Fact).collect();
        assert!(told == kept, "{} of {}", told.len(), kept.len());
        assert_eq!(files(&directory).len(), 1);
        let lock = std::fs::File::open(directory.join("writing")).unwrap();
        assert!(lock.try_lock().is_ok(), "nobody writes it any more");
        world.await_metric("millrace_recording_records_total", "", 102);
        assert_eq!(world.metric("millrace_recording_lost_records_total", ""), 0);
    }
}

#[test]
fn rooms_that_close_and_processes_that_stop_end_their_logs() {
    let world = World::new(BACKENDS[0], 1);
    for (room, log, name) in [(1, 77, "closed"), (2, 78, "left"), (3, 79, "stopped")] {
        assert_eq!(world.ask(1, room, participant(room)), Answer::Done);
        assert_eq!(world.ask(2, room, record(log, name)), Answer::Done);
    }
    assert_eq!(world.ask(3, 1, Command::CloseRoom), Answer::Done);
    let Command::Participant(spec) = participant(2) else { unreachable!() };
    let leave = Command::RemoveParticipant(spec.participant);
    assert_eq!(world.ask(4, 2, leave), Answer::Done);
    assert_eq!(world.ask(5, 2, Command::StopRecording), Answer::Refused(Refusal::Unknown));

    let World { relay, directory, .. } = world;
    relay.stop();
    for name in ["closed", "left", "stopped"] {
        let (records, damages) = read(&directory.0.join("recordings").join(name));
        assert_eq!(damages, [], "{name}");
        assert!(matches!(records[..], [Read::Start { .. }, Read::End]), "{name}: {records:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_told_and_costs_nothing_else() {
    let world = World::with(BACKENDS[0], 1, "127.0.0.1:0", |config| {
        std::fs::write(config.data_directory.join("file"), b"").unwrap();
        config.recording_directory = config.data_directory.join("file/recordings");
    });
    assert_eq!(world.ask(1, 1, participant(1)), Answer::Done);
    assert_eq!(world.ask(2, 1, record(77, "x")), Answer::Done);
    let failed = news(&world, |news| matches!(news, RecordingNews::Failed { .. }));
    let RecordingNews::Failed { reason } = failed else { unreachable!() };
    assert!(reason.contains("Not a directory"), "{reason}");
    assert_eq!(world.ask(3, 1, Command::StopRecording), Answer::Done);
    assert_eq!(world.ask(4, 1, Command::CloseRoom), Answer::Done);
}

/// Has a fact noted; returns why something could not be written, if that was told meanwhile.
fn note(world: &World, fact: Vec<u8>) -> Option<String> {
    let command = Command::Note(fact);
    world.relay.handle().request(Request { id: 3, room: RoomId(1), command });
    let mut failed = None;
    loop {
        match world.messages.recv_timeout(PATIENCE).expect("an answer") {
            Message::Answer { id: 3, answer: Answer::Done } => return failed,
            Message::Event(Event::Recording(_, _, RecordingNews::Failed { reason })) => {
                failed = Some(reason);
            }
            Message::Answer { .. } | Message::Event(_) => {}
        }
    }
}

/// Waits until nothing more is found to be lost.
fn settle(world: &World) {
    let lost = || world.metric("millrace_recording_lost_records_total", "");
    let mut same = (lost(), 0);
    while same.1 < 20 {
        std::thread::sleep(Duration::from_millis(20));
        let now = lost();
        same = if now == same.0 { (now, same.1 + 1) } else { (now, 0) };
    }
}

/// A small disk, gone with its owner.
struct SmallDisk(Directory);

impl SmallDisk {
    fn mount() -> Self {
        let at = Directory::new();
        let done = Program::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(&at.0)
            .status()
            .unwrap();
        assert!(done.success(), "this test mounts a file system: run it as root");

        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg(&self.0.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_the_log_says_what_is_missing_when_it_goes_on() {
    let disk = SmallDisk::mount();
    let at = &disk.0.0;
    std::fs::write(at.join("ballast"), vec![0; 512 << 10]).unwrap();
    let world = World::with(BACKENDS[0], 1, "127.0.0.1:0", |config| {
        config.recording_directory.clone_from(at);
    });
    assert_eq!(world.ask(1, 1, participant(1)), Answer::Done);
    assert_eq!(world.ask(2, 1, record(77, "log")), Answer::Done);
    let mut told = 0;
    let failed = loop {
        let refused = note(&world, long_fact(told));
        told += 1;
        match refused {
            Some(reason) => break reason,
            None => assert!(told < 10_000, "a disk of a megabyte took them all"),
        }
    };
    assert!(failed.contains("space"), "{failed}");
    // A log's end is sealed before the shard hears of blocks that are still refused.
    settle(&world);
    std::fs::remove_file(at.join("ballast")).unwrap();
    assert_eq!(world.ask(4, 1, Command::Note(b"{}".to_vec())), Answer::Done);
    news(&world, |news| matches!(news, RecordingNews::Lost { .. }));
    settle(&world);
    assert_eq!(world.ask(5, 1, Command::StopRecording), Answer::Done);
    news(&world, |news| *news == RecordingNews::Ended);

    let (records, _) = read(&at.join("log"));
    let kept = records.iter().filter(|record| matches!(record, Read::Fact(_))).count();
    let lost: u64 = records
        .iter()
        .map(|record| match record {
            Read::Lost { records } => *records,
            Read::Start { .. } | Read::Fact(_) | Read::End => 0,
        })
        .sum();
    assert!(lost > 0 && kept > 10, "{lost} lost, {kept} kept");
    assert_eq!(kept as u64 + lost, u64::from(told) + 1, "each is there, or said to be missing");
    assert_eq!(records.last(), Some(&Read::End));
    assert_eq!(world.metric("millrace_recording_lost_records_total", ""), lost);
}
