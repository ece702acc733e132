//! Metrics of what the kernel relays and steers; all are zero where it is not asked to.

use super::Counters;
use crate::metrics::{described, label, metric};
use prometheus::proto::{MetricFamily, MetricType};

/// A family's name, what it is, and its kind.
type Family = (&'static str, &'static str, MetricType);

/// A series: key and value of its label, if it has one, and its value.
type Series = (Option<(&'static str, &'static str)>, u64);

const FAMILIES: [Family; 14] = [
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
    (
        "millrace_relay_steering_total",
        "Datagrams of several shards' sockets, trains as one, by what chose the shard.",
        MetricType::COUNTER,
    ),
    (
        "millrace_relay_placing_total",
        "Datagrams that came in by XDP, by what chose the CPU that goes on with them.",
        MetricType::COUNTER,
    ),
    ("millrace_relay_steering_flows", "Flows whose shard the kernel knows.", MetricType::GAUGE),
    (
        "millrace_relay_steering_missed",
        "Flows now whose shard the kernel should know and does not: shards hand over.",
        MetricType::GAUGE,
    ),
    (
        "millrace_relay_steering_refused_total",
        "Flows that the kernel refused, by reason.",
        MetricType::COUNTER,
    ),
];

/// Names and helps of the families.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().map(|(name, help, _)| (*name, *help))
}

/// The families with their values.
pub(crate) fn families(counters: &Counters) -> Vec<MetricFamily> {
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

fn series(counters: &Counters) -> [Vec<Series>; 14] {
    let Counters { xdp, flows, resyncs } = counters;
    let one = |value| vec![(None, value)];
    let both = |up, down| {
        vec![(Some(("direction", "to_peer")), up), (Some(("direction", "to_client")), down)]
    };
    let each = |key, all: &[(&'static str, u64)]| {
        all.iter().map(|(label, count)| (Some((key, *label)), *count)).collect()
    };
    let reasons = |all: &[(&'static str, u64)]| each("reason", all);

    [
        one(xdp.interfaces),
        one(xdp.bindings),
        one(xdp.missed),
        reasons(&[("full", xdp.full), ("kernel", xdp.refused), ("unreadable", xdp.unreadable)]),
        both(xdp.sent, xdp.received),
        both(xdp.sent_bytes, xdp.received_bytes),
        one(xdp.over_limit),
        one(*resyncs),
        each("outcome", &xdp.outcomes),
        each("by", &flows.sockets),
        each("by", &flows.cpus),
        one(flows.flows),
        one(flows.missed),
        reasons(&[("full", flows.full), ("kernel", flows.refused)]),
    ]
}
