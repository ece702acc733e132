//! What a survey says to people and programs.

use crate::survey::{Survey, Surveyed};
use crate::tracks::codec_name;
use crate::{Damages, clock};
use relay_wire::control::TrackId;
use std::fmt::{self, Write as _};

/// A media log in short.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// The room's name.
    pub room: String,
    /// The room's id.
    pub sid: String,
    /// When it starts: milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// How long it goes on.
    pub duration_ms: u64,
    /// Whether its end is there.
    pub ended: bool,
    /// Bytes of media.
    pub bytes: u64,
    /// Records that the disk was too slow for.
    pub lost: u64,
    /// What cannot be read.
    pub damages: Damages,
    /// Its tracks, by number.
    pub tracks: Vec<TrackSummary>,
}

/// A track in short.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TrackSummary {
    /// The relay's number.
    pub track: u64,
    /// LiveKit's id.
    pub sid: String,
    /// Who published it.
    pub identity: String,
    /// `camera`, `microphone`, …
    pub source: String,
    /// Its codec at last; empty when nothing came.
    pub codec: String,
    /// The codec's RTP clock in Hz; 0 when nothing came.
    pub clock_hz: i64,
    /// Whether it is encrypted end to end.
    pub encrypted: bool,
    /// From the log's start to its first packet.
    pub first_ms: u64,
    /// And to its last.
    pub last_ms: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl Summary {
    /// The summary of a survey.
    pub fn of(survey: &Survey) -> Self {
        let track = |(number, track): (&TrackId, &Surveyed)| summary(survey, number.0, track);

        Self {
            room: survey.room.name.clone(),
            sid: survey.room.sid.clone(),
            started_ms: survey.unix_us / 1000,
            duration_ms: survey.duration_us / 1000,
            ended: survey.ended,
            bytes: survey.bytes,
            lost: survey.lost,
            damages: survey.damages,
            tracks: survey.tracks.iter().map(track).collect(),
        }
    }
}

fn summary(survey: &Survey, number: u64, track: &Surveyed) -> TrackSummary {
    let who = survey.participants.get(&track.track.participant);

    TrackSummary {
        track: number,
        sid: track.track.sid.clone(),
        identity: who.map(|who| who.identity.clone()).unwrap_or_default(),
        source: track.track.source.clone(),
        codec: track.codec.map(codec_name).unwrap_or_default().into(),
        clock_hz: track.codec.map(clock::rate).unwrap_or_default(),
        encrypted: track.track.encrypted,
        first_ms: track.first_us.unwrap_or_default() / 1000,
        last_ms: track.last_us / 1000,
        packets: track.packets,
        bytes: track.bytes,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = if self.room.is_empty() { "(a room without a name)" } else { &self.room };
        let end = if self.ended { "" } else { ", its end is missing" };
        writeln!(f, "room      {room} {}", self.sid)?;
        writeln!(f, "duration  {}{end}", seconds(self.duration_ms))?;
        writeln!(f, "media     {} kB in {} tracks", self.bytes / 1000, self.tracks.len())?;
        if self.lost > 0 {
            writeln!(f, "lost      {} records: the disk was too slow", self.lost)?;
        }
        let Damages { bytes, blocks, unknown } = self.damages;
        if !self.damages.is_none() {
            writeln!(
                f,
                "damaged   {bytes} bytes, {blocks} missing blocks, {unknown} unknown records"
            )?;
        }
        if self.tracks.is_empty() {
            return Ok(());
        }
        let head = ["track", "source", "who", "codec", "from", "to", "packets", "kB"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.tracks.iter().map(TrackSummary::row));
        writeln!(f)?;

        f.write_str(&aligned(&rows))
    }
}

impl TrackSummary {
    fn row(&self) -> [String; 8] {
        let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let codec = if self.encrypted { "encrypted".into() } else { known(&self.codec) };

        [
            self.track.to_string(),
            known(&self.source),
            known(&self.identity),
            codec,
            seconds(self.first_ms),
            seconds(self.last_ms),
            self.packets.to_string(),
            (self.bytes / 1000).to_string(),
        ]
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a string does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    text
}
