//! The relay's metrics: a collector over the snapshots of all shards.

mod recording;
mod turn;

use crate::recording::WriterCounters;
use crate::snapshot::{Snapshot, Snapshots};
use crate::steering::{self, Counters};
use crate::streams;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType, Summary};
use relay_shard::{DropReason, Limits, TurnRefusal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A label of a series beside `shard`: key and value.
type Label = Option<(&'static str, &'static str)>;

/// A series of a family, and where its value comes from.
type Series = (Label, fn(&Snapshot) -> u64);

struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    series: &'static [Series],
}

const fn gauge(name: &'static str, help: &'static str, series: &'static [Series]) -> Family {
    Family { name, help, kind: MetricType::GAUGE, series }
}

const fn counter(name: &'static str, help: &'static str, series: &'static [Series]) -> Family {
    Family { name, help, kind: MetricType::COUNTER, series }
}

const IN: Label = Some(("direction", "in"));
const OUT: Label = Some(("direction", "out"));

/// One value for each shard and series.
const FAMILIES: &[Family] = &[
    gauge("millrace_relay_rooms", "Rooms now.", &[(None, |s| s.counters.rooms)]),
    gauge(
        "millrace_relay_participants",
        "Participants now.",
        &[(None, |s| s.counters.participants)],
    ),
    gauge("millrace_relay_transports", "Transports now.", &[(None, |s| s.counters.transports)]),
    gauge("millrace_relay_tracks", "Published tracks now.", &[(None, |s| s.counters.tracks)]),
    gauge(
        "millrace_relay_subscriptions",
        "Subscriptions now.",
        &[(None, |s| s.counters.subscriptions)],
    ),
    counter(
        "millrace_relay_rtp_packets_total",
        "RTP packets accepted from publishers and forwarded to subscribers.",
        &[(IN, |s| s.counters.rtp_in), (OUT, |s| s.counters.rtp_out)],
    ),
    counter(
        "millrace_relay_rtp_bytes_total",
        "Bytes of the RTP packets.",
        &[(IN, |s| s.counters.rtp_in_bytes), (OUT, |s| s.counters.rtp_out_bytes)],
    ),
    counter(
        "millrace_relay_datagrams_total",
        "UDP datagrams received and sent, of any kind.",
        &[(IN, |s| s.io.datagrams_in), (OUT, |s| s.io.datagrams_out)],
    ),
    counter(
        "millrace_relay_datagram_bytes_total",
        "Payload bytes of the datagrams.",
        &[(IN, |s| s.io.bytes_in), (OUT, |s| s.io.bytes_out)],
    ),
    counter(
        "millrace_relay_trains_total",
        "Buffers received (UDP_GRO) and send operations (UDP_SEGMENT).",
        &[(IN, |s| s.io.trains_in), (OUT, |s| s.io.runs_out)],
    ),
    counter(
        "millrace_relay_syscalls_total",
        "System calls of the media loop.",
        &[(None, |s| s.io.syscalls)],
    ),
    counter("millrace_relay_turns_total", "Rounds of the media loop.", &[(None, |s| s.turns)]),
    counter(
        "millrace_relay_handed_over_total",
        "Datagrams of another shard: taken over from it and handed over to it.",
        &[(IN, |s| s.taken_over), (OUT, |s| s.handed_over)],
    ),
    counter(
        "millrace_relay_nacked_packets_total",
        "Packets that subscribers reported missing and that were asked again of publishers.",
        &[(IN, |s| s.counters.nacks_in), (OUT, |s| s.counters.nacks_out)],
    ),
    counter(
        "millrace_relay_retransmitted_packets_total",
        "Packets sent again to subscribers.",
        &[(None, |s| s.counters.retransmitted)],
    ),
    counter(
        "millrace_relay_lost_packets_total",
        "Packets that publishers lost on their way here.",
        &[(None, |s| s.counters.lost_in)],
    ),
    counter(
        "millrace_relay_keyframe_requests_total",
        "Keyframe requests of subscribers and to publishers.",
        &[(IN, |s| s.counters.plis_in), (OUT, |s| s.counters.plis_out)],
    ),
    counter(
        "millrace_relay_data_messages_total",
        "Data messages accepted, and sent to receivers.",
        &[(IN, |s| s.counters.data_in), (OUT, |s| s.counters.data_out)],
    ),
];

/// A sum in milliseconds and how many samples are in it.
type Samples = (fn(&Snapshot) -> u64, fn(&Snapshot) -> u64);

const SUMMARIES: &[(&str, &str, Samples)] = &[
    (
        "millrace_relay_connect_seconds",
        "Time from a transport's opening until ICE and DTLS are up.",
        (|s| s.counters.connect_ms, |s| s.counters.connects),
    ),
    (
        "millrace_relay_round_trip_seconds",
        "Round-trip times measured from receiver reports.",
        (|s| s.counters.rtt_ms, |s| s.counters.rtt_samples),
    ),
];

const DROPS: (&str, &str) = ("millrace_relay_drops_total", "Packets that ended here, by reason.");

const REFUSALS: (&str, &str) =
    ("millrace_turn_refused_total", "Authenticated TURN requests that were refused, by reason.");

const LIMITS: (&str, &str) =
    ("millrace_relay_limit", "Bounds of each shard's tables; full means refused.");

/// Collects the metrics of all shards; register it with a `prometheus::Registry`.
pub struct RelayCollector {
    snapshots: Arc<Snapshots>,
    limits: Limits,
    steered: Arc<Mutex<Counters>>,
    recorded: Arc<Mutex<WriterCounters>>,
    descriptions: Vec<Desc>,
}

impl RelayCollector {
    pub(crate) fn new(
        snapshots: Arc<Snapshots>,
        limits: Limits,
        steered: Arc<Mutex<Counters>>,
        recorded: Arc<Mutex<WriterCounters>>,
    ) -> Self {
        let families = families().map(|family| (family.name, family.help));
        let summaries = SUMMARIES.iter().map(|(name, help, _)| (*name, *help));
        let descriptions = families
            .chain(summaries)
            .chain([DROPS, REFUSALS, LIMITS])
            .chain(streams::descriptions())
            .chain(steering::descriptions())
            .chain(crate::recording::descriptions())
            .filter_map(|(name, help)| {
                Desc::new(name.into(), help.into(), vec!["shard".into()], HashMap::new()).ok()
            })
            .collect();

        Self { snapshots, limits, steered, recorded, descriptions }
    }
}

impl Collector for RelayCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shards: Vec<(String, Snapshot)> =
            self.snapshots.iter().enumerate().map(|(index, s)| (index.to_string(), s)).collect();
        let mut families: Vec<_> = families().map(|family| plain(family, &shards)).collect();
        families.extend(SUMMARIES.iter().map(|summary| summarized(*summary, &shards)));
        families.push(refusals(&shards));
        families.push(drops(&shards));
        families.push(limits(&self.limits));
        families.extend(streams::families(&shards));
        let steered = self.steered.lock().unwrap_or_else(PoisonError::into_inner);
        families.extend(steering::families(&steered));
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        families.extend(crate::recording::families(&recorded));

        families
    }
}

/// The families with one value for each shard.
fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().chain(turn::FAMILIES).chain(recording::FAMILIES)
}

fn plain(family: &Family, shards: &[(String, Snapshot)]) -> MetricFamily {
    let mut metrics = Vec::new();
    for (shard, snapshot) in shards {
        for (extra, value) in family.series {
            let extra = extra.map(|(key, value)| label(key, value));
            let labels = std::iter::once(label("shard", shard)).chain(extra).collect();
            metrics.push(metric(labels, family.kind, value(snapshot)));
        }
    }

    described((family.name, family.help), family.kind, metrics)
}

fn summarized(
    (name, help, (sum_ms, count)): (&str, &str, Samples),
    shards: &[(String, Snapshot)],
) -> MetricFamily {
    let metrics = shards.iter().map(|(shard, snapshot)| {
        let mut summary = Summary::default();
        summary.set_sample_sum(sum_ms(snapshot) as f64 / 1000.0);
        summary.set_sample_count(count(snapshot));
        let mut metric = Metric::from_label(vec![label("shard", shard)]);
        metric.set_summary(summary);
        metric
    });

    described((name, help), MetricType::SUMMARY, metrics.collect())
}

fn refusals(shards: &[(String, Snapshot)]) -> MetricFamily {
    let mut metrics = Vec::new();
    for (shard, snapshot) in shards {
        for why in TurnRefusal::ALL {
            let labels = vec![label("shard", shard), label("reason", why.label())];
            let refused = snapshot.counters.turn.refused(*why);
            metrics.push(metric(labels, MetricType::COUNTER, refused));
        }
    }

    described(REFUSALS, MetricType::COUNTER, metrics)
}

fn drops(shards: &[(String, Snapshot)]) -> MetricFamily {
    let mut metrics = Vec::new();
    for (shard, snapshot) in shards {
        for reason in DropReason::ALL {
            let labels = vec![label("shard", shard), label("reason", reason.label())];
            metrics.push(metric(labels, MetricType::COUNTER, snapshot.dropped(*reason)));
        }
    }

    described(DROPS, MetricType::COUNTER, metrics)
}

fn limits(limits: &Limits) -> MetricFamily {
    let bounds = [
        ("rooms", limits.rooms),
        ("room_participants", limits.room_participants),
        ("participant_tracks", limits.participant_tracks),
        ("recordings", limits.recordings),
        ("transports", limits.transports),
        ("transport_ssrcs", limits.transport_ssrcs),
        ("data_message_bytes", limits.data_message_bytes),
        ("data_unacknowledged_bytes", limits.data_unacknowledged_bytes),
    ];
    let metrics = bounds
        .iter()
        .map(|(name, bound)| metric(vec![label("limit", name)], MetricType::GAUGE, *bound as u64));

    described(LIMITS, MetricType::GAUGE, metrics.collect())
}

pub(crate) fn described(
    (name, help): (&str, &str),
    kind: MetricType,
    metrics: Vec<Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);

    family
}

pub(crate) fn metric(labels: Vec<LabelPair>, kind: MetricType, value: u64) -> Metric {
    let mut metric = Metric::from_label(labels);
    if kind == MetricType::GAUGE {
        let mut gauge = Gauge::default();
        gauge.set_value(value as f64);
        metric.set_gauge(gauge);
    } else {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        metric.set_counter(counter);
    }

    metric
}

pub(crate) fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.into());
    label.set_value(value.into());

    label
}
