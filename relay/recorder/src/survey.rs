//! The first reading of a log: who was there, and how the clocks of tracks relate.

use crate::clock::{self, Clock};
use crate::facts::{Fact, Participant, Room, Track};
use crate::log::{Damages, Log};
use relay_wire::control::{Codec, TrackId};
use relay_wire::medialog::Record;
use std::collections::BTreeMap;
use std::io;

/// Tracks of one recording; more than a room can have are damage.
const TRACKS_MAX: usize = 100_000;
const FACTS_MAX: usize = 100_000;

/// What a whole log tells.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What was recorded.
    pub room: Room,
    /// The wall clock at the log's start: microseconds since the Unix epoch.
    pub unix_us: u64,
    /// How long it goes on: microseconds.
    pub duration_us: u64,
    /// Whether the log's end is there: nobody writes it any more.
    pub ended: bool,
    /// By the relay's number.
    pub participants: BTreeMap<u64, Participant>,
    /// By the relay's number.
    pub tracks: BTreeMap<TrackId, Surveyed>,
    /// Records that the disk was too slow for.
    pub lost: u64,
    /// Bytes of media payloads.
    pub bytes: u64,
    /// What could not be read.
    pub damages: Damages,
}

/// A track, as the whole log tells of it.
#[derive(Clone, Debug, Default)]
pub struct Surveyed {
    /// What signalling told.
    pub track: Track,
    /// Packets of each codec.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The codec it came in at last.
    pub codec: Option<Codec>,
    /// When its first packet came: microseconds since the log's start.
    pub first_us: Option<u64>,
    /// When its last one came.
    pub last_us: u64,
    clock: clock::Survey,
}

impl Survey {
    /// Reads a log to its end.
    pub fn of(log: &Log) -> io::Result<Self> {
        let mut survey = Self::default();
        survey.damages = log.read(|record| {
            survey.hear(&record);
            Ok::<_, io::Error>(())
        })?;

        Ok(survey)
    }

    /// The clock of a track, laid by all tracks of its sender.
    pub fn clock(&self, track: TrackId) -> Clock {
        let Some(surveyed) = self.tracks.get(&track) else { return Clock::default() };
        let sender = surveyed.track.participant;
        let together = self.tracks.values().filter(|other| other.track.participant == sender);
        let wall = match sender {
            // Nobody told whose it is: it stands for itself.
            0 => clock::wall(std::iter::once(&surveyed.clock)),
            _ => clock::wall(together.map(|other| &other.clock)),
        };

        Clock::new(&surveyed.clock, wall)
    }

    fn hear(&mut self, record: &Record<'_>) {
        self.duration_us = self.duration_us.max(record.at_us());
        match record {
            Record::Start(start) => self.unix_us = start.unix_us,
            Record::Packet(packet) => {
                let Some(track) = self.track(packet.track) else { return };
                track.packets += 1;
                track.bytes += packet.payload.len() as u64;
                track.codec = Some(packet.codec);
                track.first_us.get_or_insert(packet.at_us);
                track.last_us = track.last_us.max(packet.at_us);
                track.clock.packet(packet.codec, packet.timestamp, packet.at_us);
                self.bytes += packet.payload.len() as u64;
            }
            Record::Report(report) => {
                let Some(track) = self.track(report.track) else { return };
                if let Some(codec) = track.codec {
                    track.clock.report(codec, report.timestamp, report.ntp, report.at_us);
                }
            }
            Record::Fact(fact) => self.note(Fact::parse(fact.json)),
            Record::Lost(lost) => self.lost += lost.records,
            Record::End(_) => self.ended = true,
            Record::Speakers(_) | Record::Mute(_) => {}
        }
    }

    fn note(&mut self, fact: Option<Fact>) {
        match fact {
            Some(Fact::Room(room)) => self.room = room,
            Some(Fact::Participant(participant)) if self.participants.len() < FACTS_MAX => {
                self.participants.insert(participant.participant, participant);
            }
            Some(Fact::Track(track)) => {
                if let Some(surveyed) = self.track(TrackId(track.track)) {
                    surveyed.track = track;
                }
            }
            Some(Fact::Participant(_) | Fact::Unpublished { .. } | Fact::Left { .. }) | None => {}
        }
    }

    fn track(&mut self, track: TrackId) -> Option<&mut Surveyed> {
        if self.tracks.len() >= TRACKS_MAX && !self.tracks.contains_key(&track) {
            return None;
        }

        Some(self.tracks.entry(track).or_default())
    }
}
