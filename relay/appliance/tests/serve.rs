//! The services, by running the binary on ports of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Notified, Place, free_port, get};
use std::time::Duration;

/// As long as a graceful stop may take.
const STOP: Duration = Duration::from_secs(5);

fn sets(http: u16, media: u16) -> Vec<String> {
    [
        format!("http.listen=127.0.0.1:{http}"),
        "http.tls_listen=127.0.0.1:0".to_owned(),
        format!("media.listen=127.0.0.1:{media}"),
        "media.shards=2".to_owned(),
    ]
    .into_iter()
    .flat_map(|set| ["--set".to_owned(), set])
    .collect()
}

#[test]
fn serve_answers_tells_systemd_and_stops_at_sigterm() {
    let place = Place::new();
    let notify = Notified::new(&place);
    let http = free_port();
    let sets = sets(http, free_port());
    let args: Vec<_> = ["serve"].into_iter().chain(sets.iter().map(String::as_str)).collect();
    let environment = [notify.environment(), ("WATCHDOG_USEC", "200000")];
    let mut service = place.start(&args, &environment);
    assert_eq!(notify.told(), "READY=1");
    assert_eq!(notify.told(), "WATCHDOG=1");
    assert_eq!(notify.told(), "WATCHDOG=1");
    assert_eq!(get(http, "/readyz", 200), "ready\n");
    let metrics = get(http, "/metrics", 200);
    assert!(metrics.contains("millrace_signalling_relay_up 1"), "{metrics}");

    service.signal("HUP");
    let beyond = || std::iter::repeat_with(|| notify.told()).find(|state| state != "WATCHDOG=1");
    let reloading = beyond().unwrap_or_default();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(reloading[27..].parse::<u64>().unwrap() > 0, "{reloading}");
    assert_eq!(beyond().as_deref(), Some("READY=1"));
    assert_eq!(get(http, "/healthz", 200), "ok\n");
    service.signal("TERM");
    let (code, time) = service.wait();
    assert_eq!(code, Some(0));
    assert!(time < STOP, "{time:?}");
    assert_eq!(beyond().as_deref(), Some("STOPPING=1"));
    let (out, err) = service.output();
    assert!(out.contains(&format!("http://127.0.0.1:{http}/")), "{out}");
    assert!(out.contains("devkey") && out.contains("Development mode"), "{out}");
    assert!(!err.contains("secret-for-development") && !err.contains('\x1b'), "{err}");
}

#[test]
fn logs_are_json_when_asked_for() {
    let place = Place::new();
    let http = free_port();
    let sets = sets(http, free_port());
    let mut args: Vec<_> = ["serve"].into_iter().chain(sets.iter().map(String::as_str)).collect();
    args.extend(["--set", "log.format=json", "--set", "media.io=mmsg"]);
    let mut service = place.start(&args, &[]);
    get(http, "/readyz", 200);
    service.signal("INT");
    assert_eq!(service.wait().0, Some(0));
    let (_, err) = service.output();
    assert!(!err.is_empty());
    for line in err.lines() {
        assert!(line.starts_with("{\"timestamp\":") && line.ends_with('}'), "{line}");
    }
}

#[test]
fn relay_and_signalling_find_each_other_again() {
    let place = Place::new();
    let (http, relay_metrics, own_metrics) = (free_port(), free_port(), free_port());
    let socket = format!("control.socket={}", place.directory.join("relay.sock").display());
    let media = format!("media.listen=127.0.0.1:{}", free_port());
    let monitor = format!("metrics.listen=127.0.0.1:{relay_metrics}");
    let relay_args = ["relay", "--set", &socket, "--set", &media, "--set", &monitor];
    let relay_args = [&relay_args[..], &["--set", "media.shards=1"]].concat();
    let listen = format!("http.listen=127.0.0.1:{http}");
    let monitor = format!("metrics.listen=127.0.0.1:{own_metrics}");
    let args = ["signalling", "--set", &socket, "--set", &listen, "--set", &monitor];
    let args = [&args[..], &["--set", "http.tls_listen="]].concat();

    let mut signalling = place.start(&args, &[]);
    assert!(get(http, "/readyz", 503).contains("relay"));
    for _ in 0..2 {
        let mut relay = place.start(&relay_args, &[]);
        get(http, "/readyz", 200);
        assert!(get(relay_metrics, "/metrics", 200).contains("millrace_"));
        relay.signal("TERM");
        let (code, time) = relay.wait();
        assert!(code == Some(0) && time < STOP, "{code:?} {time:?}");
        get(http, "/readyz", 503);
    }
    assert!(get(own_metrics, "/metrics", 200).contains("millrace_signalling_relay_up 0"));
    signalling.signal("TERM");
    assert_eq!(signalling.wait().0, Some(0));
}
