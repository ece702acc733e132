//! The events of a media log.

use super::{ComposeError, Composer, Event, Kind, Settings, Summary};
use crate::clock::Clock;
use crate::facts::{Fact, Participant, Track};
use crate::frames::Assembler;
use crate::log::Log;
use crate::order::{Order, Packet};
use crate::survey::Survey;
use relay_wire::control::{ParticipantId, TrackId};
use relay_wire::medialog::{self, Record};
use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::ops::ControlFlow;

/// `progress` is asked this often: once for each second of the call.
const PROGRESS_US: u64 = 1_000_000;

/// Composes a file from a log. `progress` is told, about once for each second of the call, how many
/// microseconds of it are done, and may break off.
pub fn compose<W: Write + Seek>(
    log: &Log,
    survey: &Survey,
    out: W,
    settings: Settings,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Summary), ComposeError> {
    let mut reading =
        Reading { survey, composer: Composer::new(out, settings)?, streams: BTreeMap::new() };
    let mut told_us = 0;
    log.read(|record| {
        reading.hear(&record)?;
        let time_us = reading.composer.time_us();
        if time_us >= told_us + PROGRESS_US {
            told_us = time_us;
            if progress(time_us).is_break() {
                return Err(ComposeError::Cancelled);
            }
        }
        Ok(())
    })?;

    reading.finish()
}

struct Reading<'a, W> {
    survey: &'a Survey,
    composer: Composer<W>,
    streams: BTreeMap<TrackId, Stream>,
}

/// From a track's packets to its frames.
struct Stream {
    clock: Clock,
    order: Order,
    assembler: Assembler,
}

impl<W: Write + Seek> Reading<'_, W> {
    fn hear(&mut self, record: &Record<'_>) -> Result<(), ComposeError> {
        let at_us = record.at_us();
        let event = match record {
            Record::Packet(packet) => return self.packet(packet),
            Record::Fact(fact) => match Fact::parse(fact.json) {
                Some(fact) => {
                    if let Fact::Unpublished { track } = fact {
                        self.end(TrackId(track))?;
                    }
                    event(fact)
                }
                None => None,
            },
            Record::Speakers(speakers) => {
                Some(Event::Speakers { loudest_first: speakers.loudest_first().to_vec() })
            }
            Record::Mute(mute) => Some(Event::Mute { track: mute.track, muted: mute.muted }),
            Record::Start(_) | Record::Report(_) | Record::Lost(_) | Record::End(_) => None,
        };

        event.map_or(Ok(()), |event| self.composer.push(at_us, event))
    }

    fn packet(&mut self, packet: &medialog::Packet<'_>) -> Result<(), ComposeError> {
        let stream = self.streams.entry(packet.track).or_insert_with(|| Stream {
            clock: self.survey.clock(packet.track),
            order: Order::default(),
            assembler: Assembler::default(),
        });
        let time_us = stream.clock.time_us(packet.codec, packet.timestamp, packet.at_us);
        stream.order.push(Packet::new(packet, time_us));
        while let Some(next) = stream.order.next(packet.at_us) {
            if let Some(frame) = stream.assembler.push(next) {
                let (track, time_us) = (packet.track, frame.time_us);
                self.composer.push(time_us, Event::Frame { track, frame })?;
            }
        }

        Ok(())
    }

    /// The rest of a track that ends.
    fn end(&mut self, track: TrackId) -> Result<(), ComposeError> {
        let Some(mut stream) = self.streams.remove(&track) else { return Ok(()) };
        while let Some(packet) = stream.order.finish() {
            if let Some(frame) = stream.assembler.push(packet) {
                self.composer.push(frame.time_us, Event::Frame { track, frame })?;
            }
        }

        Ok(())
    }

    fn finish(mut self) -> Result<(W, Summary), ComposeError> {
        let open: Vec<TrackId> = self.streams.keys().copied().collect();
        open.into_iter().try_for_each(|track| self.end(track))?;
        self.composer.push(self.survey.duration_us, Event::End)?;

        self.composer.finish()
    }
}

fn event(fact: Fact) -> Option<Event> {
    Some(match fact {
        Fact::Room(_) => return None,
        Fact::Participant(Participant { participant, identity, name, .. }) => Event::Join {
            participant: ParticipantId(participant),
            name: if name.is_empty() { identity } else { name },
        },
        Fact::Track(Track { track, participant, source, encrypted, .. }) => Event::Publish {
            track: TrackId(track),
            participant: ParticipantId(participant),
            kind: kind(&source),
            encrypted,
        },
        Fact::Unpublished { track } => Event::Unpublish { track: TrackId(track) },
        Fact::Left { participant } => Event::Leave { participant: ParticipantId(participant) },
    })
}

/// What nobody told is a face; if it turns out to be sound, it is heard.
fn kind(source: &str) -> Kind {
    match source {
        "microphone" | "screen_share_audio" => Kind::Sound,
        "screen_share" => Kind::Screen,
        _ => Kind::Camera,
    }
}
