//! Files of tracks as they came: nothing is encoded anew.

use crate::clock::Clock;
use crate::facts::Fact;
use crate::frames::{Assembler, Frame};
use crate::log::Log;
use crate::matroska::{self, Title, WriteError, Writer};
use crate::order::{Order, Packet};
use crate::survey::Survey;
use relay_wire::control::{Codec, TrackId};
use relay_wire::medialog::{self, Record};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// What a file is called until it is whole.
const PARTIAL: &str = "part";

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrackFile {
    /// Its name in the directory.
    pub file: String,
    /// LiveKit's id of the track.
    pub track: String,
    /// Who published it.
    pub identity: String,
    /// `camera`, `microphone`, …
    pub source: String,
    /// `opus`, `vp8`, …
    pub codec: String,
    /// When its time 0 is: milliseconds since the recording's start.
    pub offset_ms: u64,
    /// How long it is.
    pub duration_ms: u64,
    /// Frames in it.
    pub frames: u64,
}

/// Why the files of a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TracksError {
    /// Reading the log or writing a file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file could not be written.
    #[error("{file}: {error}")]
    Write {
        /// Its name.
        file: String,
        /// Why.
        error: WriteError,
    },
}

/// What became of a log's tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The files, in the order in which they were finished.
    pub files: Vec<TrackFile>,
    /// Packets that never came.
    pub missing: u64,
    /// Frames that were left out: incomplete, or nothing to build on.
    pub left_out: u64,
    /// Tracks that are encrypted end to end: nobody can make a file of them.
    pub encrypted: u64,
}

/// Writes all tracks of a log into a directory, which must be there.
pub fn write(log: &Log, survey: &Survey, directory: &Path) -> Result<Written, TracksError> {
    let mut studio =
        Studio { survey, directory, desks: BTreeMap::new(), written: Written::default() };
    studio.written.encrypted =
        survey.tracks.values().filter(|track| track.track.encrypted).count() as u64;
    log.read(|record| studio.hear(&record))?;
    for (_, desk) in std::mem::take(&mut studio.desks) {
        studio.end(desk)?;
    }

    Ok(studio.written)
}

/// All tracks that are being written.
struct Studio<'a> {
    survey: &'a Survey,
    directory: &'a Path,
    desks: BTreeMap<TrackId, Desk>,
    written: Written,
}

/// One track that is being written.
struct Desk {
    track: TrackId,
    clock: Clock,
    order: Order,
    assembler: Assembler,
    /// Its files so far.
    parts: u32,
    open: Option<Open>,
}

/// A file that is being written.
struct Open {
    writer: Writer<BufWriter<File>>,
    partial: PathBuf,
    name: String,
    codec: Codec,
    offset_us: u64,
}

impl Studio<'_> {
    fn hear(&mut self, record: &Record<'_>) -> Result<(), TracksError> {
        match record {
            Record::Packet(packet) => self.packet(packet),
            Record::Fact(fact) => match Fact::parse(fact.json) {
                Some(Fact::Unpublished { track }) => match self.desks.remove(&TrackId(track)) {
                    Some(desk) => self.end(desk),
                    None => Ok(()),
                },
                _ => Ok(()),
            },
            Record::Start(_) | Record::Report(_) | Record::Speakers(_) | Record::Mute(_) => Ok(()),
            Record::Lost(_) | Record::End(_) => Ok(()),
        }
    }

    fn packet(&mut self, packet: &medialog::Packet<'_>) -> Result<(), TracksError> {
        let track = packet.track;
        let encrypted = self.survey.tracks.get(&track).is_some_and(|known| known.track.encrypted);
        if encrypted {
            return Ok(());
        }
        let desk = self.desks.entry(track).or_insert_with(|| Desk {
            track,
            clock: self.survey.clock(track),
            order: Order::default(),
            assembler: Assembler::default(),
            parts: 0,
            open: None,
        });
        let time_us = desk.clock.time_us(packet.codec, packet.timestamp, packet.at_us);
        desk.order.push(Packet::new(packet, time_us));
        while let Some(packet) = self.desks.get_mut(&track).and_then(|d| d.order.next(packet.at_us))
        {
            self.take(track, packet)?;
        }

        Ok(())
    }

    fn take(&mut self, track: TrackId, packet: Packet) -> Result<(), TracksError> {
        let Some(desk) = self.desks.get_mut(&track) else { return Ok(()) };
        let Some(frame) = desk.assembler.push(packet) else { return Ok(()) };
        if desk.open.as_ref().is_some_and(|open| !open.writer.fits(&frame)) {
            let open = desk.open.take();
            self.close(track, open)?;
        }
        let Some(desk) = self.desks.get_mut(&track) else { return Ok(()) };
        if desk.open.is_none() {
            desk.open = open(self.survey, self.directory, desk, &frame)?;
        }
        let Some(open) = &mut desk.open else {
            self.written.left_out += 1;
            return Ok(());
        };
        let time_us = frame.time_us.saturating_sub(open.offset_us);

        open.writer.write(time_us, &frame).map_err(|error| failed(&open.name, error))
    }

    /// Ends a track.
    fn end(&mut self, mut desk: Desk) -> Result<(), TracksError> {
        let track = desk.track;
        let mut waiting = std::mem::take(&mut desk.order);
        self.desks.insert(track, desk);
        while let Some(packet) = waiting.finish() {
            self.take(track, packet)?;
        }
        let Some(desk) = self.desks.remove(&track) else { return Ok(()) };
        self.written.missing += waiting.missing;
        self.written.left_out += desk.assembler.left_out;

        self.close(track, desk.open)
    }

    fn close(&mut self, track: TrackId, open: Option<Open>) -> Result<(), TracksError> {
        let Some(Open { writer, partial, name, codec, offset_us }) = open else { return Ok(()) };
        let frames = writer.frames();
        let (out, duration_ms) = writer.finish().map_err(|error| failed(&name, error))?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&partial, self.directory.join(&name))?;
        let known = self.survey.tracks.get(&track).map(|known| known.track.clone());
        let known = known.unwrap_or_default();
        let identity = self.survey.participants.get(&known.participant);
        self.written.files.push(TrackFile {
            file: name,
            track: known.sid,
            identity: identity.map(|who| who.identity.clone()).unwrap_or_default(),
            source: known.source,
            codec: codec_name(codec).into(),
            offset_ms: offset_us / 1000,
            duration_ms,
            frames,
        });

        Ok(())
    }
}

/// Opens a track's next file with this frame; `None` when nothing can start with it.
fn open(
    survey: &Survey,
    directory: &Path,
    desk: &mut Desk,
    frame: &Frame,
) -> Result<Option<Open>, TracksError> {
    if !frame.keyframe {
        return Ok(None);
    }
    let name = name(survey, desk, frame.codec);
    let partial = directory.join(format!("{name}.{PARTIAL}"));
    let who = survey.tracks.get(&desk.track).map(|known| known.track.participant);
    let who = who.and_then(|participant| survey.participants.get(&participant));
    let title = Title {
        name: who.map(|who| who.name.clone()).unwrap_or_default(),
        unix_us: survey.unix_us.saturating_add(frame.time_us),
    };
    let out = BufWriter::new(File::create(&partial)?);
    let writer = match Writer::create(out, &title, frame) {
        Ok(writer) => writer,
        Err(WriteError::Parameters) => {
            fs::remove_file(&partial)?;
            return Ok(None);
        }
        Err(error) => return Err(failed(&name, error)),
    };
    desk.parts += 1;

    Ok(Some(Open { writer, partial, name, codec: frame.codec, offset_us: frame.time_us }))
}

/// A file's name: what it shows, whose it is, which part of it. Only characters that no file system
/// and no store minds.
fn name(survey: &Survey, desk: &Desk, codec: Codec) -> String {
    let known = survey.tracks.get(&desk.track).map(|known| known.track.clone()).unwrap_or_default();
    let who = survey.participants.get(&known.participant);
    let who = who.map(|who| safe(&who.identity)).unwrap_or_default();
    let source = if known.source.is_empty() { "track".into() } else { safe(&known.source) };
    let part = if desk.parts == 0 { String::new() } else { format!("-{}", desk.parts + 1) };
    let number = desk.track.0;

    format!("{source}-{who}-{number}{part}.{}", matroska::extension(codec))
}

fn safe(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };

    text.chars().take(48).map(letter).collect()
}

/// A codec's name, as in MIME types.
pub fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Vp8 => "vp8",
        Codec::H264 => "h264",
        Codec::Vp9 => "vp9",
        Codec::Av1 => "av1",
    }
}

fn failed(file: &str, error: WriteError) -> TracksError {
    match error {
        WriteError::Io(error) => TracksError::Io(error),
        error => TracksError::Write { file: file.into(), error },
    }
}
