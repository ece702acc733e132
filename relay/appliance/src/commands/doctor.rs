//! `millrace doctor`: what this machine's network and kernel allow, and what to change.

use super::print;
use crate::config::Config;
use anyhow::bail;
use relay_server::XdpMode;
use relay_server::doctor::{Finding, Level, Wanted, examine};
use serde_json::{Value, json};

/// Prints what was found; fails if something that the configuration asks for does not work.
pub(super) fn run(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let findings = examine(&Wanted {
        shards: config.media_shards,
        relay_ports: config.turn.relay_ports.clone(),
        xdp_interfaces: config.xdp.interfaces.clone(),
        xdp_driver: config.xdp.mode == XdpMode::Driver,
        steer: config.steer()?,
    });
    let text = if as_json { json_text(&findings)? } else { findings.iter().map(line).collect() };
    print(&text)?;
    match findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        1 => bail!("1 thing must be changed"),
        count => bail!("{count} things must be changed"),
    }
}

/// One line, and one more for what to change.
fn line(finding: &Finding) -> String {
    let Finding { subject, level, found, fix } = finding;
    let line = format!("{:<4}  {subject}: {found}\n", level.label());

    if fix.is_empty() { line } else { format!("{line}      -> {fix}\n") }
}

fn json_text(findings: &[Finding]) -> serde_json::Result<String> {
    let all: Vec<Value> = findings
        .iter()
        .map(|Finding { subject, level, found, fix }| {
            json!({ "subject": subject, "level": level.label(), "found": found, "fix": fix })
        })
        .collect();

    serde_json::to_string_pretty(&all).map(|text| text + "\n")
}
