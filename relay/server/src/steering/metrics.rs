//! Metrics of what the kernel relays; all are zero where it is not asked to.

use super::XdpCounters;
use crate::metrics::{described, label, metric};
use prometheus::proto::{MetricFamily, MetricType};

/// A family's name, what it is, and its kind.
type Family = (&'static str, &'static str, MetricType);

/// A series: key and value of its label, if it has one, and its value.
type Series = (Option<(&'static str, &'static str)>, u64);

const FAMILIES: [Family; 9] = [
    ("millrace_relay_xdp_interfaces", "Interfaces on which the kernel relays.", MetricType::GAUGE),
    ("millrace_relay_xdp_bindings", "Channels that the kernel relays now.", MetricType::GAUGE),
    (
        "millrace_relay_xdp_missed",
        "Channels now that the kernel should relay and does not: the process does.",
        MetricType::GAUGE,
    ),
    (
        "millrace_relay_xdp_refused_total",
        "Channels and records that the kernel refused, by reason.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_xdp_packets_total",
        "Packets that the kernel relayed; millrace_turn_packets_total has them too.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_xdp_bytes_total",
        "Payload bytes of the packets that the kernel relayed.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_xdp_over_limit_total",
        "Packets over the bandwidth limit of their allocation, dropped by the kernel.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_xdp_resyncs_total",
        "Times that a shard had to tell steering everything again.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_xdp_frames_total",
        "Frames that the program saw, by outcome, since its maps were made.",
        MetricType::COUNTER,
    ),
];

/// Names and helps of the families.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().map(|(name, help, _)| (*name, *help))
}

/// The families with their values.
pub(crate) fn families(counters: &XdpCounters) -> Vec<MetricFamily> {
    let families = FAMILIES.iter().zip(series(counters));
    let family = |((name, help, kind), series): (&Family, Vec<Series>)| {
        let metrics = series.into_iter().map(|(extra, value)| {
            let labels = extra.map(|(key, value)| label(key, value));
            metric(labels.into_iter().collect(), *kind, value)
        });
        described((name, help), *kind, metrics.collect())
    };

    // A family without a series is none (Prometheus refuses it).
    families.filter(|(_, series)| !series.is_empty()).map(family).collect()
}

fn series(counters: &XdpCounters) -> [Vec<Series>; 9] {
    let one = |value| vec![(None, value)];
    let both = |up, down| {
        vec![(Some(("direction", "to_peer")), up), (Some(("direction", "to_client")), down)]
    };
    let outcomes = counters.outcomes.iter();

    [
        one(counters.interfaces),
        one(counters.bindings),
        one(counters.missed),
        vec![
            (Some(("reason", "full")), counters.full),
            (Some(("reason", "kernel")), counters.refused),
            (Some(("reason", "unreadable")), counters.unreadable),
        ],
        both(counters.sent, counters.received),
        both(counters.sent_bytes, counters.received_bytes),
        one(counters.over_limit),
        one(counters.resyncs),
        outcomes.map(|(outcome, count)| (Some(("outcome", *outcome)), *count)).collect(),
    ]
}
