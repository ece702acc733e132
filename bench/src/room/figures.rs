//! What a run measured, and how it is shown.

use super::Args;
use super::tally::Tally;
use crate::cpu::CpuTime;
use crate::report::Report;
use serde::Serialize;
use std::time::Duration;

/// Share of its processor time from which the client, not the server, may have been the limit.
const CLIENT_BUSY: f64 = 0.9;

/// A run's raw results.
pub(super) struct Results {
    /// How long was measured.
    pub(super) elapsed: Duration,
    /// Packets that publishers sent in that time.
    pub(super) sent: u64,
    /// What all subscribers received of them.
    pub(super) tally: Tally,
    /// Each participant's time from the first byte to connected media, sorted.
    pub(super) joins: Vec<Duration>,
    /// The server's processor time, if its process was known.
    pub(super) server: Option<CpuTime>,
    /// Our own.
    pub(super) client: CpuTime,
    /// Datagrams that did not fit into a client's receive buffer.
    pub(super) receive_drops: u64,
}

/// A run's figures, as JSON names them.
#[derive(Serialize)]
pub(super) struct Figures {
    subscribers: u32,
    publishers: u32,
    payload_bytes: usize,
    packets_per_second_per_publisher: u64,
    seconds: f64,
    sent: u64,
    received: u64,
    duplicates: u64,
    forwarded_per_second: f64,
    loss_percent: f64,
    latency_p50_us: u64,
    latency_p99_us: u64,
    latency_max_us: u64,
    join_p50_ms: f64,
    join_p99_ms: f64,
    server: Option<ServerCost>,
    client_cores: f64,
    client_receive_drops: u64,
    client_was_the_limit: bool,
}

/// What the server process spent.
#[derive(Serialize)]
struct ServerCost {
    cpu_us_per_packet: f64,
    user_us_per_packet: f64,
    system_us_per_packet: f64,
    cores: f64,
}

impl Figures {
    /// Works out the figures.
    pub(super) fn new(args: &Args, results: &Results) -> Self {
        let seconds = results.elapsed.as_secs_f64();
        let received = results.tally.received;
        let expected = results.sent * u64::from(args.subscribers);
        let client_cores = results.client.total.as_secs_f64() / seconds;
        let latency = &results.tally.latency;

        Self {
            subscribers: args.subscribers,
            publishers: args.publishers,
            payload_bytes: args.payload_bytes,
            packets_per_second_per_publisher: args.rate,
            seconds,
            sent: results.sent,
            received,
            duplicates: results.tally.duplicates,
            forwarded_per_second: received as f64 / seconds,
            loss_percent: 100.0 * expected.saturating_sub(received) as f64 / expected.max(1) as f64,
            latency_p50_us: latency.value_at_quantile(0.5),
            latency_p99_us: latency.value_at_quantile(0.99),
            latency_max_us: latency.max(),
            join_p50_ms: quantile_ms(&results.joins, 0.5),
            join_p99_ms: quantile_ms(&results.joins, 0.99),
            server: results.server.map(|cpu| ServerCost::new(cpu, received, seconds)),
            client_cores,
            client_receive_drops: results.receive_drops,
            client_was_the_limit: results.receive_drops > 0
                || client_cores > CLIENT_BUSY * args.client_threads as f64,
        }
    }

    /// The figures as rows, with what limits them.
    pub(super) fn report(&self) -> Report {
        let mut rows = vec![
            row("measured", format!("{:.1} s", self.seconds)),
            row("forwarded", format!("{:.0} packets/s", self.forwarded_per_second)),
            row("loss", format!("{:.3} %", self.loss_percent)),
        ];
        if let Some(cost) = &self.server {
            rows.push(row("server per packet", format!("{:.2} us", cost.cpu_us_per_packet)));
            rows.push(row("  user", format!("{:.2} us", cost.user_us_per_packet)));
            rows.push(row("  system", format!("{:.2} us", cost.system_us_per_packet)));
            rows.push(row("server", format!("{:.2} cores", cost.cores)));
        }
        rows.extend([
            row("latency p50", format!("{:.2} ms", self.latency_p50_us as f64 / 1e3)),
            row("latency p99", format!("{:.2} ms", self.latency_p99_us as f64 / 1e3)),
            row("latency max", format!("{:.2} ms", self.latency_max_us as f64 / 1e3)),
            row("join p50", format!("{:.0} ms", self.join_p50_ms)),
            row("join p99", format!("{:.0} ms", self.join_p99_ms)),
            row("duplicates", self.duplicates.to_string()),
            row("clients", format!("{:.2} cores", self.client_cores)),
            row("client receive drops", self.client_receive_drops.to_string()),
        ]);

        Report { title: self.title(), rows, notes: self.notes() }
    }

    fn title(&self) -> String {
        let s = |count| if count == 1 { "" } else { "s" };
        format!(
            "Room: {} publisher{} of {} x {} B/s to {} subscriber{}",
            self.publishers,
            s(self.publishers),
            self.packets_per_second_per_publisher,
            self.payload_bytes,
            self.subscribers,
            s(self.subscribers),
        )
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "latency is from the publisher's stamp to the subscriber's application: the clients' \
             own work on a burst is in it"
                .to_owned(),
        ];
        if self.server.is_none() {
            notes.push(
                "no processor time of the server: it is measured with --pid, or when \
                 millrace-bench starts the server itself"
                    .to_owned(),
            );
        }
        if self.client_was_the_limit {
            notes.push(
                "the clients were the limit: loss and latency are theirs, not the server's; \
                 try fewer subscribers or more --client-threads"
                    .to_owned(),
            );
        }

        notes
    }
}

impl ServerCost {
    fn new(cpu: CpuTime, packets: u64, seconds: f64) -> Self {
        let (user, system) = cpu.split();
        let per_packet = |time: Duration| time.as_secs_f64() * 1e6 / packets.max(1) as f64;

        Self {
            cpu_us_per_packet: per_packet(cpu.total),
            user_us_per_packet: per_packet(user),
            system_us_per_packet: per_packet(system),
            cores: cpu.total.as_secs_f64() / seconds,
        }
    }
}

fn row(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn quantile_ms(sorted: &[Duration], quantile: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * quantile).round() as usize;

    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_join_times_are_taken_from_the_sorted_list() {
        let times: Vec<_> = (1..=101).map(Duration::from_millis).collect();

        assert_eq!(quantile_ms(&times, 0.5), 51.0);
        assert_eq!(quantile_ms(&times, 0.99), 100.0);
        assert_eq!(quantile_ms(&[], 0.5), 0.0);
    }
}
