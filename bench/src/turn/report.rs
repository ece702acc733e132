//! Findings as tables: for the terminal, as a page, as JSON; with the machine they are of.

use super::args::Args;
use super::figures::Findings;
use super::limits::Cpus;
use crate::report::{Page, Table};
use anyhow::Result;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// The figure whose bars the page shows.
const CHARTED: &str = "cpu_us_per_packet";

/// Where and how figures were taken.
#[derive(Serialize)]
pub(super) struct Circumstances {
    /// The command line that gives them again.
    command: String,
    /// Kernel, processors and what else was running.
    machine: Vec<(&'static str, String)>,
    /// Seconds of each measurement.
    seconds: u64,
    /// How often each was repeated.
    repeat: u32,
}

impl Circumstances {
    /// Reads what this machine says of itself.
    pub(super) fn read(args: &Args, cpus: &Cpus, coturn: Option<&str>) -> Self {
        let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpuinfo = line("/proc/cpuinfo");
        let field = |name: &str| {
            let found = cpuinfo.lines().find_map(|line| line.strip_prefix(name));
            found.map_or("unknown", |value| value.trim_start_matches(['\t', ' ', ':'])).to_owned()
        };
        let spectre = line("/sys/devices/system/cpu/vulnerabilities/spectre_v2");
        let mut machine = vec![
            ("kernel", line("/proc/sys/kernel/osrelease")),
            ("processor", field("model name")),
            ("processors", std::thread::available_parallelism().map_or(1, usize::from).to_string()),
            ("mitigation of spectre v2", spectre),
            ("load before", line("/proc/loadavg")),
            ("pinned", if cpus.are_divided() { "server first, client last" } else { "no" }.into()),
        ];
        machine.extend(coturn.map(|version| ("coturn", version.to_owned())));
        let command = std::iter::once("millrace-bench".to_owned())
            .chain(std::env::args().skip(1).scan(false, hide_secrets))
            .collect::<Vec<_>>()
            .join(" ");

        Self { command, machine, seconds: args.seconds, repeat: args.repeat }
    }
}

/// Replaces what follows `--pass` and `--secret`.
fn hide_secrets(hide: &mut bool, argument: String) -> Option<String> {
    let hidden = std::mem::replace(hide, matches!(argument.as_str(), "--pass" | "--secret"));
    let joined = ["--pass=", "--secret="].iter().find(|name| argument.starts_with(**name));

    Some(match joined {
        Some(name) => format!("{name}..."),
        None if hidden => "...".to_owned(),
        None => argument,
    })
}

/// Shows findings, and writes them where they are wanted.
pub(super) fn show(
    args: &Args,
    findings: &[Findings],
    circumstances: &Circumstances,
) -> Result<()> {
    let tables: Vec<Table> = findings.iter().map(table).collect();
    for table in &tables {
        println!("{}", table.text());
    }
    if let Some(path) = &args.json {
        write_json(path, findings, circumstances)?;
    }
    if let Some(path) = &args.html {
        let mut facts: Vec<(String, String)> =
            circumstances.machine.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        facts.push(("command".to_owned(), circumstances.command.clone()));
        let page = Page { title: "TURN".to_owned(), facts, tables };
        crate::report::write(path, &page.html())?;
    }

    Ok(())
}

fn write_json(path: &Path, findings: &[Findings], circumstances: &Circumstances) -> Result<()> {
    let experiments: Vec<_> = findings.iter().map(Findings::json).collect();
    let all = serde_json::json!({ "circumstances": circumstances, "experiments": experiments });

    crate::report::write_json(path, &all)
}

/// A column for each server, and behind all but the first the first one's figure by its.
fn table(findings: &Findings) -> Table {
    let mut header = vec![String::new()];
    for (index, subject) in findings.subjects.iter().enumerate() {
        header.push((*subject).to_owned());
        if index > 0 {
            header.push(format!("{}/{subject}", findings.subjects[0]));
        }
    }
    let rows = findings.metrics.iter().map(|metric| {
        let mut row = vec![metric.label.to_owned()];
        for (index, subject) in findings.subjects.iter().enumerate() {
            let spread = findings.spread(metric, subject);
            let text = spread.map(|spread| match metric.compared && spread.min < spread.max {
                true => metric.unit.show_spread(&spread),
                false => metric.unit.show(spread.median),
            });
            row.push(text.unwrap_or_else(|| "-".to_owned()));
            if index > 0 {
                let ratio = findings.ratio(metric, subject);
                row.push(ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x")));
            }
        }
        row
    });
    let charted = findings.metrics.iter().find(|metric| metric.key == CHARTED);
    let bars = charted.map(|metric| {
        let bar = |subject: &&'static str| {
            Some(((*subject).to_owned(), findings.spread(metric, subject)?.median))
        };
        findings.subjects.iter().filter_map(bar).collect()
    });

    Table {
        title: findings.title.clone(),
        header,
        rows: rows.collect(),
        bars: bars.map(|bars| ("CPU per packet, us".to_owned(), bars)),
        notes: findings.notes(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Metric, Sample, Unit};
    use super::*;

    static CPU: Metric = Metric::compared(CHARTED, "CPU per packet", Unit::Us);
    static LOST: Metric = Metric::plain("lost", "lost", Unit::Count);

    #[test]
    fn table_has_a_ratio_behind_each_server_but_the_first() {
        let mut findings = Findings::new("up".to_owned(), vec!["millrace", "coturn"]);
        for (subject, cpu) in [("millrace", 2.0), ("coturn", 4.0), ("coturn", 4.0)] {
            let values = vec![(&CPU, cpu), (&LOST, 0.0)];
            findings.add(subject, Sample { values, notes: Vec::new() });
        }

        let table = table(&findings);

        assert_eq!(table.header, ["", "millrace", "coturn", "millrace/coturn"]);
        assert_eq!(table.rows[0], ["CPU per packet", "2.00 us", "4.00 us", "0.50x"]);
        assert_eq!(table.rows[1], ["lost", "0", "0", ""]);
        assert_eq!(table.bars.unwrap().1.len(), 2);
    }

    #[test]
    fn secrets_do_not_get_into_reports() {
        let line = ["turn", "--secret", "s1", "--pass=s2", "--user", "u"].map(str::to_owned);
        let shown: Vec<_> = line.into_iter().scan(false, hide_secrets).collect();

        assert_eq!(shown, ["turn", "--secret", "...", "--pass=...", "--user", "u"]);
    }
}
