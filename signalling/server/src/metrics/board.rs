//! The switchboard's plain counters as Prometheus families.

use super::Board;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use signalling_switchboard::JoinTimes;
use signalling_switchboard::calls::CallsCounters;
use std::collections::BTreeMap;

/// All families of a switchboard.
pub(super) fn families(board: &Board) -> Vec<MetricFamily> {
    let c = &board.counters;
    let gauges = [
        ("relay_up", "Whether the relay is connected", u64::from(board.relay_up)),
        ("rooms", "Rooms now", c.rooms),
        ("participants", "Participants now", c.participants),
        ("connections", "Signalling connections now", c.connections),
        ("tracks", "Tracks now, pending ones included", c.tracks),
        ("subscriptions", "Subscriptions now", c.subscriptions),
        ("whip_publishers", "Publishers by WHIP now", c.publishers),
        ("whep_players", "Players by WHEP now", c.players),
        ("requests_pending", "Requests that wait for the relay's answer now", c.requests_pending),
    ];
    let counters = [
        ("joins_total", "Participants that joined", c.joins),
        ("resumes_total", "Participants that came back on a new connection", c.resumes),
        ("resumes_refused_total", "Resumes of unknown participants", c.resumes_refused),
        ("malformed_total", "Messages that could not be read", c.malformed),
        ("denied_total", "Requests that the token does not permit", c.denied),
        ("relay_refusals_total", "Requests that the relay refused", c.refused),
    ];
    let mut families: Vec<_> = gauges.into_iter().map(|(n, h, v)| gauge(n, h, v)).collect();
    families.extend(counters.into_iter().map(|(n, h, v)| counter(n, h, v)));
    families.push(labelled("leaves_total", "Participants that left", "reason", c.leaves()));
    let limits = c.limits_hit();
    families.push(labelled("room_limit_hits_total", "Limits of rooms reached", "limit", limits));
    families.push(join_times(&c.join_times));
    families.extend(board.calls.iter().flat_map(calls));
    // A family without a series is none (Prometheus refuses it).
    families.retain(|family| !family.get_metric().is_empty());

    families
}

/// All families of calls.
fn calls(c: &CallsCounters) -> Vec<MetricFamily> {
    let count = |values: &BTreeMap<&'static str, u64>| values.clone().into_iter();
    let mut families = vec![
        gauge("sessions", "Sessions on /calls now", c.sessions),
        counter("resumes_total", "Sessions that went on after their line was cut", c.resumes),
        counter("set_ups_total", "Calls that began", c.set_ups),
        labelled("outcomes_total", "Calls that ended", "reason", count(&c.outcomes)),
        labelled("decisions_total", "Wishes to call", "outcome", count(&c.decisions)),
        labelled("routes_total", "Ways that media took", "via", count(&c.routes)),
    ];
    let active = c.active.iter().map(|(via, total)| {
        let mut pair = LabelPair::default();
        pair.set_name("via".to_owned());
        pair.set_value((*via).to_owned());
        let mut gauge = Gauge::default();
        gauge.set_value(*total as f64);
        let mut metric = Metric::from_label(vec![pair]);
        metric.set_gauge(gauge);
        metric
    });
    let help = "Calls now, by the way that media takes";
    families.push(family("active", help, MetricType::GAUGE, active.collect()));
    for family in &mut families {
        let name = family.name().replacen("signalling", "calls", 1);
        family.set_name(name);
    }

    families
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("millrace_signalling_{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);

    family
}

fn gauge(name: &str, help: &str, value: u64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);

    family(name, help, MetricType::GAUGE, vec![Metric::from_gauge(gauge)])
}

fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::COUNTER, vec![count(Vec::new(), value)])
}

fn labelled(
    name: &str,
    help: &str,
    label: &str,
    values: impl Iterator<Item = (&'static str, u64)>,
) -> MetricFamily {
    let metrics = values.map(|(value, total)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.to_owned());
        pair.set_value(value.to_owned());
        count(vec![pair], total)
    });

    family(name, help, MetricType::COUNTER, metrics.collect())
}

fn count(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);

    metric
}

fn join_times(times: &JoinTimes) -> MetricFamily {
    let buckets = JoinTimes::BOUNDS_MS.iter().zip(times.buckets).map(|(bound_ms, total)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound_ms as f64 / 1_000.0);
        bucket.set_cumulative_count(total);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(times.count);
    histogram.set_sample_sum(times.sum_ms as f64 / 1_000.0);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let help = "Time from the upgrade of the WebSocket to connected media";

    family("join_seconds", help, MetricType::HISTOGRAM, vec![metric])
}
