//! Log lines on standard error: text for people, JSON for machines.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const FILTER: &str = "info";

/// Starts logging; `filter` as in `RUST_LOG`.
pub(crate) fn start(json: bool, filter: Option<&str>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER))
        .map_err(|e| anyhow::anyhow!("--log: {e}; use a level, or module=level, with commas"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };

    started.map_err(|e| anyhow::anyhow!("logging does not start: {e}"))
}
