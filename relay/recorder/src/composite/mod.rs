//! One file of a whole call: all who show or say something in one picture, all voices in one sound.
//!
//! Events of the call go in, in the order of their time (a few seconds of disorder are put right),
//! or a media log; out comes a fragmented MP4 with H.264 and Opus. What is missing or damaged
//! freezes a tile, and shows the name after some seconds; it never ends the file.

mod canvas;
mod layout;
mod log;
mod mixer;
mod mp4;
mod scene;
mod stage;
mod text;
mod timeline;
mod video;

use crate::codec::opus::{self, FRAME};
use crate::codec::{CodecError, Encoded, Encoder};
use crate::frames::Frame;
use mixer::{LAG_US, Mixer};
use relay_wire::control::{ParticipantId, TrackId};
use stage::Stage;
use std::io::{self, Seek, Write};
use timeline::Timeline;

pub use log::compose;
pub use scene::Kind;
pub use stage::Failures;

/// Pictures in a second.
const RATE_HZ: u32 = 25;
const STEP_US: u64 = 1_000_000 / RATE_HZ as u64;
/// Pictures from one keyframe to the next: players can seek to each.
const KEYFRAME_EVERY: u32 = 4 * RATE_HZ;
const BLOCK_US: u64 = FRAME as u64 * 1_000_000 / opus::RATE_HZ as u64;

/// Something that happened in the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody came, or has another name now.
    Join {
        /// Who.
        participant: ParticipantId,
        /// What is written on the tile.
        name: String,
    },
    /// Somebody went; all tracks of theirs have ended.
    Leave {
        /// Who.
        participant: ParticipantId,
    },
    /// A track starts. Its frames must be one stream: of simulcast, one layer at a time.
    Publish {
        /// Which.
        track: TrackId,
        /// Whose.
        participant: ParticipantId,
        /// Of what.
        kind: Kind,
        /// Whether only participants can decode it: it is seen as a name, and not heard.
        encrypted: bool,
    },
    /// A track has ended.
    Unpublish {
        /// Which.
        track: TrackId,
    },
    /// A track was muted or unmuted.
    Mute {
        /// Which.
        track: TrackId,
        /// Whether it is from now on.
        muted: bool,
    },
    /// Who speaks from now on.
    Speakers {
        /// All of them.
        loudest_first: Vec<ParticipantId>,
    },
    /// A frame of a track, each track's in the order in which they are decoded.
    Frame {
        /// Whose.
        track: TrackId,
        /// What.
        frame: Frame,
    },
    /// The call has ended. Without it the last event is the end.
    End,
}

impl Event {
    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        match self {
            Self::Join { name, .. } => name.len(),
            Self::Frame { frame, .. } => frame.data.len(),
            Self::Speakers { loudest_first } => size_of_val(loudest_first.as_slice()),
            Self::Leave { .. }
            | Self::Publish { .. }
            | Self::Unpublish { .. }
            | Self::Mute { .. }
            | Self::End => 0,
        }
    }
}

/// How a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bit rate of the picture.
    pub video_bps: u32,
    /// Bit rate of the sound.
    pub audio_bps: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { video_bps: 1_500_000, audio_bps: 96_000 }
    }
}

/// What was composed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How long it is.
    pub duration_us: u64,
    /// Pictures of the file.
    pub pictures: u64,
    /// What had no place in it.
    pub failed: Failures,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The call was over before it began.
    #[error("nothing to compose: the call has no duration")]
    Empty,
    /// Who is told of progress wanted no more of it.
    #[error("cancelled")]
    Cancelled,
    /// The log could not be read, or the file not written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Picture or sound could not be encoded.
    #[error("the composite could not be encoded: {0}")]
    Encode(#[from] CodecError),
}

/// A file that is being composed.
pub struct Composer<W> {
    timeline: Timeline,
    stage: Stage,
    output: Output<W>,
    /// When the last event was due.
    end_us: u64,
    ended: bool,
}

impl<W: Write + Seek> Composer<W> {
    /// Starts a file.
    pub fn new(out: W, settings: Settings) -> Result<Self, ComposeError> {
        Ok(Self {
            timeline: Timeline::default(),
            stage: Stage::new(),
            output: Output::new(out, settings)?,
            end_us: 0,
            ended: false,
        })
    }

    /// Up to where it is done: microseconds since the log's start.
    pub fn time_us(&self) -> u64 {
        self.output.time_us()
    }

    /// Takes an event that is due at this time: microseconds since the log's start.
    pub fn push(&mut self, time_us: u64, event: Event) -> Result<(), ComposeError> {
        self.timeline.push(time_us, event);
        while let Some((time_us, event)) = self.timeline.next() {
            self.take(time_us, &event)?;
        }

        Ok(())
    }

    /// Completes the file.
    pub fn finish(mut self) -> Result<(W, Summary), ComposeError> {
        while let Some((time_us, event)) = self.timeline.finish() {
            self.take(time_us, &event)?;
        }
        let mut failed = self.stage.failed();
        failed.events += self.timeline.left_out;
        let (duration_us, pictures) = (self.output.time_us(), self.output.pictures);
        let out = self.output.finish(&mut self.stage)?;

        Ok((out, Summary { duration_us, pictures, failed }))
    }

    fn take(&mut self, time_us: u64, event: &Event) -> Result<(), ComposeError> {
        if self.ended {
            return Ok(());
        }
        self.end_us = self.end_us.max(time_us);
        while self.output.time_us() < self.end_us {
            self.output.step(&mut self.stage)?;
        }
        self.ended = *event == Event::End;
        self.stage.take(self.end_us, event);

        Ok(())
    }
}

/// Encoders, and the file behind them.
struct Output<W> {
    video: Encoder,
    audio: opus::Encoder,
    file: File<W>,
    pictures: u64,
}

/// A file needs parameters of streams first.
enum File<W> {
    Waiting(W),
    Open(Box<mp4::Writer<W>>),
    /// It could not be started.
    Gone,
}

impl<W: Write + Seek> Output<W> {
    fn new(out: W, settings: Settings) -> Result<Self, ComposeError> {
        Ok(Self {
            video: Encoder::new(settings.video_bps, RATE_HZ as f32, KEYFRAME_EVERY)?,
            audio: opus::Encoder::new(settings.audio_bps)?,
            file: File::Waiting(out),
            pictures: 0,
        })
    }

    /// Up to where there are pictures.
    fn time_us(&self) -> u64 {
        self.pictures * STEP_US
    }

    /// Encodes the next picture, and the sound that is complete by now.
    fn step(&mut self, stage: &mut Stage) -> Result<(), ComposeError> {
        let encoded = self.video.encode(stage.paint(self.time_us()))?;
        self.pictures += 1;
        let end_us = self.time_us().saturating_sub(LAG_US);
        let file = self.file.open(&encoded, &mut self.audio)?;
        file.video(&encoded.data, encoded.keyframe)?;

        Ok(sound(&mut stage.mixer, &mut self.audio, file, end_us)?)
    }

    /// The rest of the sound, and the file's end.
    fn finish(mut self, stage: &mut Stage) -> Result<W, ComposeError> {
        // What a decoder throws away at the start is missing at the end.
        let end_us = self.time_us() + BLOCK_US;
        let File::Open(mut file) = self.file else { return Err(ComposeError::Empty) };
        sound(&mut stage.mixer, &mut self.audio, &mut file, end_us)?;

        Ok(file.finish()?)
    }
}

impl<W: Write + Seek> File<W> {
    fn open(
        &mut self,
        first: &Encoded,
        audio: &mut opus::Encoder,
    ) -> Result<&mut mp4::Writer<W>, ComposeError> {
        *self = match std::mem::replace(self, Self::Gone) {
            Self::Waiting(out) => {
                let streams = mp4::Streams {
                    sps: first.sps.clone().unwrap_or_default(),
                    pps: first.pps.clone().unwrap_or_default(),
                    pre_skip: audio.lookahead()?,
                };
                Self::Open(Box::new(mp4::Writer::create(out, streams)?))
            }
            open => open,
        };
        match self {
            Self::Open(file) => Ok(file),
            Self::Waiting(_) | Self::Gone => Err(io::Error::other("the file is gone").into()),
        }
    }
}

/// Encodes sound up to this time.
fn sound<W: Write + Seek>(
    mixer: &mut Mixer,
    encoder: &mut opus::Encoder,
    file: &mut mp4::Writer<W>,
    end_us: u64,
) -> Result<(), CodecError> {
    while mixer.time_us() + BLOCK_US <= end_us {
        file.audio(encoder.encode(&mixer.mix())?);
    }

    Ok(())
}
