//! Where and how figures were taken.

use crate::machine;
use serde::Serialize;

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
        let machine = machine::facts().into_iter().chain(more).collect();
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
    pub(crate) fn facts(&self) -> impl Iterator<Item = (String, String)> {
        let measured =
            ("measured".to_owned(), format!("{} s, {} times", self.seconds, self.repeat));

        self.machine.iter().cloned().chain([measured])
    }

    /// The commands that give the figures again: all of them, then its parts.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.command).chain(&self.commands).map(String::as_str)
    }

    /// Date, processor and kernel.
    pub(crate) fn in_short(&self) -> String {
        let fact = |name: &str| self.machine.iter().find(|(key, _)| key == name);
        let facts = ["date", "processor", "kernel"].into_iter().filter_map(fact);

        facts.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" \u{b7} ")
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
