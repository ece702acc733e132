//! One log's way to its files.

use crate::log::Log;
use crate::shelf::{Claim, sync_directory};
use crate::summary::Summary;
use crate::survey::Survey;
use crate::tracks::{self, TracksError, Written};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// Where files of tracks are, in a log's directory.
const TRACKS: &str = "tracks";
/// What it is called until all of them are whole.
const TRACKS_PARTIAL: &str = "tracks.part";

/// What was made of a log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// The room's name.
    pub room: String,
    /// The room's id.
    pub sid: String,
    /// When it started: milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// How long it went on.
    pub duration_ms: u64,
    /// Files, in `tracks/`.
    pub tracks: Vec<tracks::TrackFile>,
    /// What the files lack; empty when they lack nothing.
    pub notes: Vec<String>,
}

/// Makes the files of a claimed log. Whatever an earlier attempt left is made anew, so that killing
/// it at any point and starting again ends with the same files.
pub fn run(claim: &Claim) -> Result<Outcome, TracksError> {
    let path = claim.path();
    let log = Log::open(path)?;
    let survey = Survey::of(&log)?;
    let partial = path.join(TRACKS_PARTIAL);
    let whole = path.join(TRACKS);
    clear(&partial)?;
    clear(&whole)?;
    fs::create_dir(&partial)?;
    let written = tracks::write(&log, &survey, &partial)?;
    sync_directory(&partial)?;
    fs::rename(&partial, &whole)?;
    let outcome = outcome(&survey, written);
    claim.finish(&outcome)?;

    Ok(outcome)
}

fn outcome(survey: &Survey, written: Written) -> Outcome {
    let summary = Summary::of(survey);
    let mut notes = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(survey.damages.bytes, "bytes of the media log are damaged");
    note(survey.damages.blocks, "blocks of the media log are missing");
    note(survey.lost, "records were lost, since the disk was too slow");
    note(written.missing, "packets never came");
    note(written.left_out, "frames were left out");
    note(written.encrypted, "tracks are encrypted end to end");
    if !survey.ended {
        notes.push("the media log has no end: the relay was killed".into());
    }

    Outcome {
        room: summary.room,
        sid: summary.sid,
        started_ms: summary.started_ms,
        duration_ms: summary.duration_ms,
        tracks: written.files,
        notes,
    }
}

fn clear(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
