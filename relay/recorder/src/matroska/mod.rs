//! Matroska and WebM files of one track (RFC 9559), seekable once they are finished.

mod codec;

use crate::frames::Frame;
use codec::Track;
use mkv_element::io::blocking_impl::WriteTo;
use mkv_element::prelude::*;
use mkv_element::{ClusterBlock, Error};
use relay_wire::control::Codec;
use std::io::{self, SeekFrom, Write};

pub use codec::extension;

/// Bytes in front, in which the places of all parts are noted at the end.
const SEEK_HEAD_LEN: u64 = 128;
/// Header and longest size of an element whose size is noted at the end.
const SEGMENT_ID: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
/// A cluster's blocks say how far behind its start they are in 16 bits.
const CLUSTER_MAX_MS: u64 = 5_000;
const CLUSTER_MAX_BYTES: usize = 4 << 20;
/// Sound has a cue now and then, pictures one with each keyframe.
const CUE_EVERY_MS: u64 = 2_000;
/// Seconds from the Unix epoch to Matroska's, the start of 2001.
const EPOCH_UNIX_S: i64 = 978_307_200;
const TRACK: u64 = 1;
const APPLICATION: &str = concat!("millrace ", env!("CARGO_PKG_VERSION"));

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stream's first frame does not say what a file must tell of it.
    #[error("the first frame does not tell size or parameters of the stream")]
    Parameters,
    /// Frames in another codec, or with other parameters than the first: they need another file.
    #[error("the stream has other parameters than the file")]
    OtherStream,
    /// An element that Matroska cannot hold.
    #[error("an element could not be written: {0}")]
    Element(String),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => Self::Io(error),
            error => Self::Element(error.to_string()),
        }
    }
}

/// What is written of a file besides its frames.
#[derive(Clone, Debug, Default)]
pub struct Title {
    /// What players show.
    pub name: String,
    /// The wall clock at the file's time 0: microseconds since the Unix epoch.
    pub unix_us: u64,
}

/// Where a player may start: time, and place of the cluster behind the segment's header.
struct Cue {
    time_ms: u64,
    place: u64,
}

/// Writes one file. Without `finish` it is not whole.
pub struct Writer<W> {
    out: W,
    track: Track,
    info: Info,
    /// Where the segment's body starts; places in it are counted from there.
    segment: u64,
    info_place: u64,
    tracks_place: u64,
    cluster: Cluster,
    cluster_bytes: usize,
    cues: Vec<Cue>,
    last_ms: u64,
    step_ms: u64,
    frames: u64,
}

impl<W: Write + io::Seek> Writer<W> {
    /// Starts a file with what its first frame, a keyframe, tells of the stream.
    pub fn create(mut out: W, title: &Title, first: &Frame) -> Result<Self, WriteError> {
        let track = Track::of(first).ok_or(WriteError::Parameters)?;
        header(first.codec).write_to(&mut out)?;
        out.write_all(&SEGMENT_ID)?;
        out.write_all(&size_field(0))?;
        let segment = out.stream_position()?;
        Void { size: SEEK_HEAD_LEN - 2 }.write_to(&mut out)?;
        let info_place = out.stream_position()? - segment;
        let info = info(title);
        info.write_to(&mut out)?;
        let tracks_place = out.stream_position()? - segment;
        Tracks { track_entry: vec![track.entry(title)], ..Tracks::default() }.write_to(&mut out)?;

        Ok(Self {
            out,
            track,
            info,
            segment,
            info_place,
            tracks_place,
            cluster: Cluster::default(),
            cluster_bytes: 0,
            cues: Vec::new(),
            last_ms: 0,
            step_ms: 20,
            frames: 0,
        })
    }

    /// Appends a frame, due at this time of the file. One that would go back in time is moved to
    /// that of the one before it.
    pub fn write(&mut self, time_us: u64, frame: &Frame) -> Result<(), WriteError> {
        let data = self.track.data(frame).ok_or(WriteError::OtherStream)?;
        let time_ms = (time_us / 1000).max(self.last_ms);
        if self.frames > 0 {
            self.step_ms = (time_ms - self.last_ms).clamp(1, 1000);
        }
        self.last_ms = time_ms;
        self.frames += 1;
        if self.wants_cluster(time_ms, frame) {
            self.end_cluster()?;
            self.cluster.timestamp = Timestamp(time_ms);
        }
        let relative = (time_ms - *self.cluster.timestamp) as u16;
        let [high, low] = relative.to_be_bytes();
        let flags = if frame.keyframe { 0x80 } else { 0 };
        let mut block = Vec::with_capacity(4 + data.len());
        block.extend_from_slice(&[0x80 | TRACK as u8, high, low, flags]);
        block.extend_from_slice(&data);
        self.cluster_bytes += block.len();
        self.cluster.blocks.push(ClusterBlock::from(SimpleBlock(block.into())));

        Ok(())
    }

    /// Whether a frame is of the stream that this file holds.
    pub fn fits(&self, frame: &Frame) -> bool {
        self.track.fits(frame)
    }

    /// Frames written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Completes the file; returns it with its duration in milliseconds.
    pub fn finish(mut self) -> Result<(W, u64), WriteError> {
        self.end_cluster()?;
        let cues_place = self.place()?;
        self.write_cues()?;
        let end = self.out.stream_position()?;
        let duration_ms = self.last_ms + self.step_ms;

        self.out.seek(SeekFrom::Start(self.segment - 8))?;
        self.out.write_all(&size_field(end - self.segment))?;
        self.write_seek_head(cues_place)?;
        self.out.seek(SeekFrom::Start(self.segment + self.info_place))?;
        self.info.duration = Some(Duration(duration_ms as f64));
        self.info.write_to(&mut self.out)?;
        self.out.seek(SeekFrom::Start(end))?;
        self.out.flush()?;

        Ok((self.out, duration_ms))
    }

    fn wants_cluster(&self, time_ms: u64, frame: &Frame) -> bool {
        let age = time_ms - *self.cluster.timestamp;
        let video = frame.codec != Codec::Opus;

        self.cluster.blocks.is_empty()
            || age >= CLUSTER_MAX_MS
            || self.cluster_bytes >= CLUSTER_MAX_BYTES
            || video && frame.keyframe
            || !video && age >= CUE_EVERY_MS
    }

    fn end_cluster(&mut self) -> Result<(), WriteError> {
        if self.cluster.blocks.is_empty() {
            return Ok(());
        }
        let place = self.place()?;
        let cluster = std::mem::take(&mut self.cluster);
        self.cluster_bytes = 0;
        if starts_with_keyframe(&cluster) {
            self.cues.push(Cue { time_ms: *cluster.timestamp, place });
        }

        Ok(cluster.write_to(&mut self.out)?)
    }

    fn write_cues(&mut self) -> Result<(), WriteError> {
        let cue_point = |cue: &Cue| CuePoint {
            cue_time: CueTime(cue.time_ms),
            cue_track_positions: vec![CueTrackPositions {
                cue_track: CueTrack(TRACK),
                cue_cluster_position: CueClusterPosition(cue.place),
                ..CueTrackPositions::default()
            }],
            ..CuePoint::default()
        };
        let cues = Cues { cue_point: self.cues.iter().map(cue_point).collect(), ..Cues::default() };

        Ok(cues.write_to(&mut self.out)?)
    }

    fn write_seek_head(&mut self, cues_place: u64) -> Result<(), WriteError> {
        let places =
            [(Info::ID, self.info_place), (Tracks::ID, self.tracks_place), (Cues::ID, cues_place)];
        let seek = places.iter().map(|(id, place)| Seek {
            crc32: None,
            void: None,
            seek_id: SeekId(id.as_encoded().to_be_bytes()[4..].to_vec().into()),
            seek_position: SeekPosition(*place),
        });
        let mut bytes = Vec::new();
        SeekHead { seek: seek.collect(), ..SeekHead::default() }.write_to(&mut bytes)?;
        let left = SEEK_HEAD_LEN - bytes.len() as u64;
        Void { size: left - 2 }.write_to(&mut bytes)?;
        self.out.seek(SeekFrom::Start(self.segment))?;
        self.out.write_all(&bytes)?;

        Ok(())
    }

    fn place(&mut self) -> Result<u64, WriteError> {
        Ok(self.out.stream_position()? - self.segment)
    }
}

fn starts_with_keyframe(cluster: &Cluster) -> bool {
    cluster.blocks.first().is_some_and(|block| match block {
        ClusterBlock::Simple(block) => block.get(3).is_some_and(|flags| flags & 0x80 != 0),
        ClusterBlock::Group(_) => false,
    })
}

/// A size of eight bytes.
fn size_field(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}

fn header(codec: Codec) -> Ebml {
    let kind = if extension(codec) == "webm" { "webm" } else { "matroska" };

    Ebml {
        ebml_max_id_length: EbmlMaxIdLength(4),
        ebml_max_size_length: EbmlMaxSizeLength(8),
        doc_type: Some(DocType(kind.into())),
        doc_type_version: Some(DocTypeVersion(4)),
        doc_type_read_version: Some(DocTypeReadVersion(2)),
        ..Ebml::default()
    }
}

fn info(title: &Title) -> Info {
    let unix_ns = i64::try_from(title.unix_us).unwrap_or(i64::MAX / 1000).saturating_mul(1000);

    Info {
        timestamp_scale: TimestampScale(1_000_000),
        duration: Some(Duration(0.0)),
        date_utc: Some(DateUtc(unix_ns.saturating_sub(EPOCH_UNIX_S * 1_000_000_000))),
        title: (!title.name.is_empty()).then(|| mkv_element::prelude::Title(title.name.clone())),
        muxing_app: MuxingApp(APPLICATION.into()),
        writing_app: WritingApp(APPLICATION.into()),
        ..Info::default()
    }
}
