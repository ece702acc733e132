//! Metrics of the thread that writes media logs.

use super::WriterCounters;
use crate::metrics::{described, metric};
use prometheus::proto::{Metric, MetricFamily, MetricType, Summary};

/// A family's name, what it is, and its kind.
type Family = (&'static str, &'static str, MetricType);

const FAMILIES: [Family; 6] = [
    ("millrace_recording_open_logs", "Media logs that are being written.", MetricType::GAUGE),
    ("millrace_recording_bytes_total", "Bytes of media logs written.", MetricType::COUNTER),
    (
        "millrace_recording_refused_blocks_total",
        "Blocks of media logs that the disk refused.",
        MetricType::COUNTER,
    ),
    (
        "millrace_recording_failed_total",
        "Media logs whose end is not on the disk.",
        MetricType::COUNTER,
    ),
    (
        "millrace_recording_write_seconds",
        "Time that it took to write a block of a media log.",
        MetricType::SUMMARY,
    ),
    (
        "millrace_recording_sync_seconds",
        "Time that it took to bring a media log to the disk.",
        MetricType::SUMMARY,
    ),
];

/// Names and helps of the families.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().map(|(name, help, _)| (*name, *help))
}

/// The families with their values.
pub(crate) fn families(counters: &WriterCounters) -> Vec<MetricFamily> {
    let plain = |value| (value, 0.0);
    let values = [
        plain(counters.open),
        plain(counters.bytes),
        plain(counters.refused),
        plain(counters.failed),
        (counters.writes, counters.write_seconds),
        (counters.syncs, counters.sync_seconds),
    ];
    let families = FAMILIES.iter().zip(values);

    families
        .map(|((name, help, kind), (count, seconds))| {
            let value = match kind {
                MetricType::SUMMARY => summary(count, seconds),
                _ => metric(Vec::new(), *kind, count),
            };
            described((name, help), *kind, vec![value])
        })
        .collect()
}

fn summary(count: u64, seconds: f64) -> Metric {
    let mut summary = Summary::default();
    summary.set_sample_count(count);
    summary.set_sample_sum(seconds);
    let mut metric = Metric::default();
    metric.set_summary(summary);

    metric
}
