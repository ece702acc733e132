//! Where and how figures were taken.

use serde::Serialize;
use std::fs;

/// Options whose values do not get into reports.
const SECRETS: [&str; 4] = ["--pass", "--secret", "--api-secret", "--token"];

/// The machine, the command, and how often what was measured.
#[derive(Serialize)]
pub(crate) struct Circumstances {
    /// The command line that gives the figures again.
    command: String,
    /// Those that give its parts.
    commands: Vec<String>,
    /// Kernel, processors, versions, and what else was running.
    machine: Vec<(String, String)>,
    /// Seconds of each measurement.
    seconds: u64,
    /// How often each was repeated.
    repeat: u32,
}

impl Circumstances {
    /// Reads what this machine says of itself; `more` is what only the load knows.
    pub(crate) fn read(seconds: u64, repeat: u32, more: Vec<(String, String)>) -> Self {
        let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpuinfo = line("/proc/cpuinfo");
        let field = |name: &str| {
            let found = cpuinfo.lines().find_map(|line| line.strip_prefix(name));
            found.map_or("unknown", |value| value.trim_start_matches(['\t', ' ', ':'])).to_owned()
        };
        let spectre = line("/sys/devices/system/cpu/vulnerabilities/spectre_v2");
        let machine = [
            ("kernel", line("/proc/sys/kernel/osrelease")),
            ("processor", field("model name")),
            ("processors", std::thread::available_parallelism().map_or(1, usize::from).to_string()),
            ("mitigation of spectre v2", spectre),
            ("load before", line("/proc/loadavg")),
        ];
        let machine = machine.map(|(name, value)| (name.to_owned(), value));
        let machine = machine.into_iter().chain(more).collect();
        let command = std::iter::once("millrace-bench".to_owned())
            .chain(std::env::args().skip(1).scan(false, hide_secrets))
            .collect::<Vec<_>>()
            .join(" ");

        Self { command, commands: Vec::new(), machine, seconds, repeat }
    }

    /// Adds the commands that give the parts of a run.
    pub(crate) fn with_commands(self, commands: impl Iterator<Item = String>) -> Self {
        Self { commands: commands.collect(), ..self }
    }

    /// Name and value of each fact.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let commands = std::iter::once(&self.command).chain(&self.commands);
        let commands = commands.map(|command| ("command".to_owned(), command.clone()));

        self.machine.iter().cloned().chain(commands).collect()
    }
}

/// Replaces what follows the options whose values are secret.
fn hide_secrets(hide: &mut bool, argument: String) -> Option<String> {
    let is_secret = |name: &str| SECRETS.contains(&name);
    let hidden = std::mem::replace(hide, is_secret(&argument));

    Some(match argument.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=..."),
        _ if hidden => "...".to_owned(),
        _ => argument,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_get_into_reports() {
        let line = ["turn", "--secret", "s1", "--pass=s2", "--user", "u"].map(str::to_owned);
        let shown: Vec<_> = line.into_iter().scan(false, hide_secrets).collect();

        assert_eq!(shown, ["turn", "--secret", "...", "--pass=...", "--user", "u"]);
    }
}
