//! Every metric that a dashboard or an alert names is one that the service has.

#![allow(clippy::unwrap_used, dead_code, reason = "a test that cannot go on panics")]

mod common;

use common::{Place, free_port, get};
use std::collections::BTreeSet;

/// Families that are only there once something happened: counters with labels.
const LATER: [&str; 6] = [
    "millrace_relay_xdp_frames_total",
    "millrace_signalling_http_failures_total",
    "millrace_signalling_http_requests_total",
    "millrace_signalling_join_failures_total",
    "millrace_signalling_limit_hits_total",
    "millrace_signalling_leaves_total",
];

const PREFIXES: [&str; 5] = [
    "millrace_recording_",
    "millrace_relay_",
    "millrace_signalling_",
    "millrace_stun_",
    "millrace_turn_",
];

#[test]
fn dashboards_and_alerts_name_metrics_that_exist() {
    let place = Place::new();
    let http = free_port();
    let sets = [
        format!("http.listen=127.0.0.1:{http}"),
        "http.tls_listen=127.0.0.1:0".to_owned(),
        format!("media.listen=127.0.0.1:{}", free_port()),
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set.as_str()]);
    let args: Vec<_> = ["serve"].into_iter().chain(sets).collect();
    let _service = place.start(&args, &[]);
    get(http, "/readyz", 200);
    let there = names(&get(http, "/metrics", 200));

    let systemd = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd");
    for file in ["grafana/millrace.json", "prometheus/millrace.rules.yml"] {
        let text = std::fs::read_to_string(format!("{systemd}/{file}")).unwrap();
        let named = names(&text);
        assert!(named.len() > 3, "{file} names {named:?}");
        for name in named.iter().filter(|name| !LATER.contains(&name.as_str())) {
            assert!(there.contains(name), "{file} names {name}, which is not in /metrics");
        }
    }
}

/// The names that begin as our metrics do.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}
