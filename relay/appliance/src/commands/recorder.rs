//! `millrace recorder`: what a media log holds, and files out of it.

use super::print;
use crate::cli::RecorderCommand;
use anyhow::Context;
use relay_recorder::summary::Summary;
use relay_recorder::tracks::{self, Written};
use relay_recorder::{Log, Survey};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Does it and prints what came of it.
pub(super) fn run(command: RecorderCommand) -> anyhow::Result<()> {
    match command {
        RecorderCommand::Inspect { media_log, json } => {
            let summary = Summary::of(&read(&media_log)?.1);
            let text =
                if json { serde_json::to_string(&summary)? + "\n" } else { summary.to_string() };
            print(&text)?;
        }
        RecorderCommand::Export { media_log, directory, json } => {
            let (log, survey) = read(&media_log)?;
            let failed = || format!("cannot write into {}", directory.display());
            fs::create_dir_all(&directory).with_context(failed)?;
            let written = tracks::write(&log, &survey, &directory).with_context(failed)?;
            let text = if json { serde_json::to_string(&written)? + "\n" } else { told(&written) };
            print(&text)?;
        }
    }

    Ok(())
}

fn read(path: &Path) -> anyhow::Result<(Log, Survey)> {
    let failed = || format!("cannot read the media log {}", path.display());
    let log = Log::open(path).with_context(failed)?;
    let survey = Survey::of(&log).with_context(failed)?;

    Ok((log, survey))
}

fn told(written: &Written) -> String {
    let mut text = String::new();
    for file in &written.files {
        let (from, long) = (file.offset_ms as f64 / 1000.0, file.duration_ms as f64 / 1000.0);
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{}  {} frames, from {from:.1} s, {long:.1} s long",
            file.file, file.frames
        );
    }
    if written.files.is_empty() {
        text.push_str("no track has anything that can be shown or heard\n");
    }
    if written.missing + written.left_out > 0 {
        let Written { missing, left_out, .. } = written;
        let _ = writeln!(text, "{missing} packets never came, {left_out} frames were left out");
    }
    if written.encrypted > 0 {
        let _ =
            writeln!(text, "{} tracks are encrypted end to end and left out", written.encrypted);
    }

    text
}
