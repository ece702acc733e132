//! `millrace recorder`: the service alone, and recordings by hand.

use super::print;
use crate::cli::RecorderCommand;
use crate::config::Config;
use crate::notify;
use crate::reload::{Reload, Source};
use crate::signals::Signals;
use anyhow::{Context, bail};
use relay_recorder::service::{self, Recorder};
use relay_recorder::shelf::{ATTEMPTS_MAX, Entry, Shelf, State};
use relay_recorder::summary::Summary;
use relay_recorder::tracks::{self, Written};
use relay_recorder::{Log, Survey};
use signalling_server::Monitor;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

const METRICS_PORT: u16 = 9481;
/// Making files waits for everything else.
const NICE: &str = "10";

/// A recorder whose workers are this very program.
pub(super) fn start(shelf: Shelf) -> anyhow::Result<Recorder> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let set = format!("recording.directory={}", shelf.root().display());
    let worker = move |entry: &Entry| {
        let mut worker = Command::new("nice");
        worker.args(["-n", NICE]).arg(&program);
        worker.args(["recorder", "work", &entry.name, "--set", &set]);
        worker.stdin(Stdio::null()).stdout(Stdio::null());
        worker
    };

    Recorder::start(shelf, Box::new(worker)).context("the recorder does not start")
}

/// Makes files until a signal.
pub(super) async fn serve(source: Source, config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let development = config.keys.is_empty();
    let own: IpAddr = if development { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }.into();
    let metrics = config.metrics_listen.unwrap_or(SocketAddr::from((own, METRICS_PORT)));
    let monitor = Monitor::bind(metrics, config.metrics_allow.clone())?;
    let directory = config.recordings();
    fs::create_dir_all(&directory)
        .with_context(|| format!("recording.directory = {}", directory.display()))?;
    let recorder = start(Shelf::new(&directory))?;
    tracing::info!(directory = %directory.display(), "making files of recordings");
    notify::tell("READY=1");
    let stop = async {
        signals.end(Reload::of_recorder(source, config)).await;
        notify::tell("STOPPING=1");
    };
    let served = tokio::select! {
        served = monitor.serve(vec![Box::new(recorder.collector())], stop) => served,
        () = notify::watchdog() => Ok(()),
    };
    recorder.leave();

    Ok(served?)
}

/// Does it and prints what came of it.
pub(super) fn run(config: &Config, command: RecorderCommand) -> anyhow::Result<()> {
    let shelf = Shelf::new(config.recordings());
    match command {
        RecorderCommand::List { json } => {
            let failed = || format!("recording.directory = {}", shelf.root().display());
            let entries = shelf.entries(SystemTime::now()).with_context(failed)?;
            let text = if json { serde_json::to_string(&entries)? + "\n" } else { table(&entries) };
            print(&text)?;
        }
        RecorderCommand::Retry { recording } => retry(&shelf, &recording)?,
        RecorderCommand::Work { recording } => {
            let entry = shelf.entry(&recording, SystemTime::now())?;
            if let State::Recording = entry.state {
                bail!("{recording} is being recorded: its files are made when it is over");
            }
            let Some(outcome) = service::work(&entry)? else {
                bail!("a recorder works on it already")
            };
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
        }
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

fn table(entries: &[Entry]) -> String {
    let mut text = String::new();
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or_default();
    for Entry { name, state, .. } in entries {
        let told = match state {
            State::Recording => "recording".to_owned(),
            State::Working => "files are being made".to_owned(),
            State::Done => "done".to_owned(),
            State::Waiting(failures) if failures.attempts == 0 => "waits for a recorder".to_owned(),
            State::Waiting(failures) => {
                let attempts = failures.attempts;
                format!("failed {attempts} of {ATTEMPTS_MAX} times: {}", failures.reason)
            }
            State::Dead(failures) => format!(
                "given up after {} times: {}; `millrace recorder retry {name}` tries again",
                failures.attempts, failures.reason
            ),
        };
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name:width$}  {told}");
    }

    text
}

fn retry(shelf: &Shelf, name: &str) -> anyhow::Result<()> {
    let entry = shelf.entry(name, SystemTime::now())?;
    let claim = match entry.state {
        State::Recording => bail!("{name} is being recorded: its files are made when it is over"),
        State::Working => None,
        State::Waiting(_) | State::Dead(_) | State::Done => entry.claim()?,
    };
    let Some(claim) = claim else { bail!("a recorder works on {name} already") };
    claim.reset()?;

    Ok(print(&format!("{name} waits for a recorder\n"))?)
}
