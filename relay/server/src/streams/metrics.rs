//! Metrics of connections.

use super::connection::StreamKind;
use super::counters::{CloseReason, StreamCounters};
use crate::metrics::{described, label, metric};
use crate::snapshot::Snapshot;
use prometheus::proto::{MetricFamily, MetricType};

/// One family: its name, what it is, its kind, its label, and its series.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    label: &'static str,
    series: fn(&StreamCounters) -> Vec<(&'static str, u64)>,
}

const FAMILIES: [Family; 6] = [
    Family {
        name: "millrace_relay_connections",
        help: "Connections of TCP and TLS clients now.",
        kind: MetricType::GAUGE,
        label: "kind",
        series: |counters| by_kind(&counters.open),
    },
    Family {
        name: "millrace_relay_connections_accepted_total",
        help: "Connections of TCP and TLS clients accepted.",
        kind: MetricType::COUNTER,
        label: "kind",
        series: |counters| by_kind(&counters.accepted),
    },
    Family {
        name: "millrace_relay_connections_closed_total",
        help: "Connections closed, by reason; \"handshake\": a TLS handshake that failed.",
        kind: MetricType::COUNTER,
        label: "reason",
        series: |counters| {
            CloseReason::ALL.iter().map(|r| (r.label(), counters.closed[*r as usize])).collect()
        },
    },
    Family {
        name: "millrace_relay_connections_moved_total",
        help: "Connections that came from another shard and that went to one.",
        kind: MetricType::COUNTER,
        label: "direction",
        series: |counters| vec![("in", counters.moved_in), ("out", counters.moved_out)],
    },
    Family {
        name: "millrace_relay_connection_bytes_total",
        help: "Bytes read from and written to connections, as they are on the wire.",
        kind: MetricType::COUNTER,
        label: "direction",
        series: |counters| vec![("in", counters.bytes_in), ("out", counters.bytes_out)],
    },
    Family {
        name: "millrace_relay_connection_messages_total",
        help: "Messages received from and queued for connections.",
        kind: MetricType::COUNTER,
        label: "direction",
        series: |counters| vec![("in", counters.messages_in), ("out", counters.messages_out)],
    },
];

const FAILURES: (&str, &str) = (
    "millrace_relay_accept_failures_total",
    "Times that no connection could be accepted for want of descriptors or memory.",
);

/// Name and help of each family.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().map(|family| (family.name, family.help)).chain([FAILURES])
}

/// The families, of all shards.
pub(crate) fn families(shards: &[(String, Snapshot)]) -> Vec<MetricFamily> {
    let mut families: Vec<_> = FAMILIES.iter().map(|family| collect(family, shards)).collect();
    let failures = shards.iter().map(|(shard, snapshot)| {
        let failures = snapshot.streams.accept_failures;
        metric(vec![label("shard", shard)], MetricType::COUNTER, failures)
    });
    families.push(described(FAILURES, MetricType::COUNTER, failures.collect()));

    families
}

fn collect(family: &Family, shards: &[(String, Snapshot)]) -> MetricFamily {
    let mut metrics = Vec::new();
    for (shard, snapshot) in shards {
        for (value, count) in (family.series)(&snapshot.streams) {
            let labels = vec![label("shard", shard), label(family.label, value)];
            metrics.push(metric(labels, family.kind, count));
        }
    }

    described((family.name, family.help), family.kind, metrics)
}

fn by_kind(counts: &[u64; 2]) -> Vec<(&'static str, u64)> {
    let kinds = [StreamKind::Tcp, StreamKind::Tls];

    kinds.iter().map(|kind| (kind.label(), counts[*kind as usize])).collect()
}
