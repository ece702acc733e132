//! The recorder's metrics.

use crate::service::{Counters, Watch};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;

const RECORDINGS: &str = "millrace_recorder_recordings";
const JOBS: &str = "millrace_recorder_jobs_total";
const FILES: &str = "millrace_recorder_files_total";

const HELPS: [(&str, &str); 3] = [
    (RECORDINGS, "Recordings now: those that wait for files, and those given up (dead)."),
    (JOBS, "Attempts to make a recording's files, by outcome."),
    (FILES, "Files of tracks that were made."),
];

/// Collects what a recorder counts.
pub struct RecorderCollector {
    watch: Watch,
    descriptions: Vec<Desc>,
}

impl RecorderCollector {
    pub(crate) fn new(watch: Watch) -> Self {
        let description = |(name, help): (&str, &str)| {
            Desc::new(name.into(), help.into(), Vec::new(), HashMap::new()).ok()
        };

        Self { watch, descriptions: HELPS.into_iter().filter_map(description).collect() }
    }
}

impl Collector for RecorderCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Counters { done, failed, files, waiting, dead } = self.watch.counters();
        let states = vec![gauge("waiting", waiting), gauge("dead", dead)];
        let outcomes = vec![counter(Some("done"), done), counter(Some("failed"), failed)];

        vec![
            family(RECORDINGS, MetricType::GAUGE, states),
            family(JOBS, MetricType::COUNTER, outcomes),
            family(FILES, MetricType::COUNTER, vec![counter(None, files)]),
        ]
    }
}

fn family(name: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let help = HELPS.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| help);
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);

    family
}

fn gauge(state: &str, value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
    let mut metric = Metric::from_label(vec![label("state", state)]);
    metric.set_gauge(gauge);

    metric
}

fn counter(outcome: Option<&str>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let labels = outcome.map(|outcome| label("outcome", outcome));
    let mut metric = Metric::from_label(labels.into_iter().collect());
    metric.set_counter(counter);

    metric
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.into());
    label.set_value(value.into());

    label
}
