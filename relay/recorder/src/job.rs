//! One log's way to its files.

use crate::composite::{self, ComposeError, Settings};
use crate::log::Log;
use crate::shelf::{Claim, sync_directory};
use crate::summary::Summary;
use crate::survey::Survey;
use crate::tracks::{self, TracksError, Written};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::path::Path;

/// Where files of tracks are, in a log's directory.
const TRACKS: &str = "tracks";
/// What it is called until all of them are whole.
const TRACKS_PARTIAL: &str = "tracks.part";

/// The composite, and what it is called until it is whole.
const COMPOSITE: &str = "composite.mp4";
const COMPOSITE_PARTIAL: &str = "composite.part";

/// Why there are no files.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The files of tracks could not be written.
    #[error("tracks: {0}")]
    Tracks(#[from] TracksError),
    /// The composite could not be made.
    #[error("composite: {0}")]
    Compose(#[from] ComposeError),
    /// The disk refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
}

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
    /// The composite's file, if there is anything to see or to hear.
    pub composite: Option<String>,
    /// What the files lack; empty when they lack nothing.
    pub notes: Vec<String>,
}

/// Makes the files of a claimed log. Whatever an earlier attempt left is made anew, so that killing
/// it at any point and starting again ends with the same files.
pub fn run(claim: &Claim) -> Result<Outcome, JobError> {
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
    let composed = compose(&log, &survey, path)?;
    let outcome = outcome(&survey, written, composed);
    claim.finish(&outcome)?;

    Ok(outcome)
}

/// Makes the composite; `None` when the call had no duration. Else what it lacks.
fn compose(
    log: &Log,
    survey: &Survey,
    path: &Path,
) -> Result<Option<composite::Failures>, JobError> {
    let (partial, whole) = (path.join(COMPOSITE_PARTIAL), path.join(COMPOSITE));
    let out = BufWriter::new(File::create(&partial)?);
    let goes_on = |_| ControlFlow::Continue(());
    let composed = composite::compose(log, survey, out, Settings::default(), goes_on);
    let (out, summary) = match composed {
        Ok(composed) => composed,
        Err(ComposeError::Empty) => {
            fs::remove_file(&partial)?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&partial, &whole)?;

    Ok(Some(summary.failed))
}

fn outcome(survey: &Survey, written: Written, composed: Option<composite::Failures>) -> Outcome {
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
    let failed = composed.unwrap_or_default();
    note(failed.frames, "pictures could not be decoded for the composite");
    note(
        failed.packets,
        "packets of sound could not be decoded for the composite, or came too late",
    );
    note(failed.events, "events had no place in the composite");
    if !survey.ended {
        notes.push("the media log has no end: the relay was killed".into());
    }

    Outcome {
        room: summary.room,
        sid: summary.sid,
        started_ms: summary.started_ms,
        duration_ms: summary.duration_ms,
        tracks: written.files,
        composite: composed.is_some().then(|| COMPOSITE.to_owned()),
        notes,
    }
}

fn clear(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
