//! What a load costs: the server's processor time, the network's, and our own.

use crate::cpu::{self, CpuTime};
use crate::figures::{Metric, Sample, Unit};
use crate::network::Cards;
use anyhow::{Context, Result};
use std::fs;
use std::time::{Duration, Instant};

static CPU: Metric = Metric::compared("cpu_us_per_packet", "CPU per packet", Unit::Us);
static USER: Metric = Metric::plain("user_us_per_packet", "  user", Unit::Us);
static SYSTEM: Metric = Metric::plain("system_us_per_packet", "  system", Unit::Us);
static NAPI: Metric =
    Metric::plain("napi_us_per_packet", "the server's network card, per packet", Unit::Us);
static WHOLE: Metric =
    Metric::compared("whole_us_per_packet", "process and card per packet", Unit::Us);
static SOFTIRQ: Metric =
    Metric::plain("softirq_us_per_packet", "softirq, whole machine, per packet", Unit::Us);
static CORES: Metric = Metric::plain("server_cores", "server's processors", Unit::Cores);
static DROPPED: Metric = Metric::plain("dropped_by_card", "dropped between the cards", Unit::Count);
static CLIENT: Metric = Metric::plain("client_cores", "client's processors", Unit::Cores);

/// Whose processor time is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    server: Option<u32>,
    cards: Cards,
}

/// Processor times at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// The server's.
    pub(crate) server: Option<CpuTime>,
    napi: Option<Duration>,
    dropped: Option<u64>,
    client: CpuTime,
    softirq: Duration,
    at: Instant,
}

/// What was spent between two readings.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// The time between.
    pub(crate) elapsed: Duration,
    /// The server's processor time, if its process is known.
    pub(crate) server: Option<CpuTime>,
    napi: Option<Duration>,
    dropped: Option<u64>,
    client: CpuTime,
    softirq: Duration,
}

impl Meter {
    /// Reads the times of this process, of the machine, of a server if it is known, and of the
    /// kernel's threads that receive for it, if there are any, and what the cards dropped.
    pub(crate) fn new(server: Option<u32>, cards: Cards) -> Self {
        Self { server, cards }
    }

    /// Reads all of them.
    pub(crate) fn read(&self) -> Result<Reading> {
        self.read_with(self.server()?)
    }

    /// Reads those of a server that ends under load as long as they can be read.
    pub(crate) fn server(&self) -> Result<Option<CpuTime>> {
        self.server.map(CpuTime::of).transpose()
    }

    /// Reads all of them but the server's, which has ended: `last` was read before that.
    pub(crate) fn read_with(&self, last: Option<CpuTime>) -> Result<Reading> {
        let threads = &self.cards.napi;
        let napi = threads.iter().map(|&thread| time_of_thread(thread));
        let napi = (!threads.is_empty()).then(|| napi.sum::<Result<_>>()).transpose()?;

        Ok(Reading {
            server: last,
            napi,
            dropped: self.cards.drops()?,
            client: CpuTime::of(std::process::id())?,
            softirq: cpu::softirq()?,
            at: Instant::now(),
        })
    }
}

impl Reading {
    /// What was spent since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Cost {
        let napi = earlier.napi.zip(self.napi);
        let dropped = earlier.dropped.zip(self.dropped);

        Cost {
            elapsed: self.at - earlier.at,
            server: earlier.server.zip(self.server).map(|(before, after)| after.since(before)),
            napi: napi.map(|(before, after)| after.saturating_sub(before)),
            dropped: dropped.map(|(before, after)| after.saturating_sub(before)),
            client: self.client.since(earlier.client),
            softirq: self.softirq.saturating_sub(earlier.softirq),
        }
    }
}

impl Cost {
    /// Adds the figures, by packets that reached their receivers.
    pub(crate) fn push(&self, sample: &mut Sample, packets: u64) {
        let per_packet = |time: Duration| time.as_secs_f64() * 1e6 / packets.max(1) as f64;
        if let Some(server) = self.server {
            let (user, system) = server.split();
            sample.push(&CPU, per_packet(server.total));
            sample.push(&USER, per_packet(user));
            sample.push(&SYSTEM, per_packet(system));
            if let Some(napi) = self.napi {
                sample.push(&NAPI, per_packet(napi));
                sample.push(&WHOLE, per_packet(server.total + napi));
            }
        }
        sample.push(&SOFTIRQ, per_packet(self.softirq));
        self.server_cores().into_iter().for_each(|cores| sample.push(&CORES, cores));
        sample.push(&CLIENT, self.client_cores());
        self.dropped.into_iter().for_each(|count| sample.push(&DROPPED, count as f64));
    }

    /// The server's processors, if its process is known.
    pub(crate) fn server_cores(&self) -> Option<f64> {
        Some(self.cores(self.server?.total))
    }

    /// The server's and those of its card, if both are known.
    pub(crate) fn whole_cores(&self) -> Option<f64> {
        Some(self.cores(self.server?.total + self.napi?))
    }

    /// Our own.
    pub(crate) fn client_cores(&self) -> f64 {
        self.cores(self.client.total)
    }

    /// What is to be known where the clients cost more than the server.
    pub(crate) fn note(&self) -> Option<&'static str> {
        let is_dear = self.server_cores().is_some_and(|server| self.client_cores() > server);

        is_dear.then_some(
            "the clients spent more than the server: its cost per packet holds, the highest rate \
             and the latency under more load are not the server's alone",
        )
    }

    fn cores(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Time that a thread was on a processor.
fn time_of_thread(thread: u32) -> Result<Duration> {
    let path = format!("/proc/{thread}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());

    nanoseconds.map(Duration::from_nanos).with_context(|| format!("{path} is not as Linux says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_values(sample: &Sample) -> Vec<&'static str> {
        sample.values.iter().map(|(metric, _)| metric.key).collect()
    }

    fn threads(thread: u32) -> Cards {
        Cards::new(vec![thread], Vec::new())
    }

    #[test]
    fn what_is_known_of_the_server_decides_which_figures_there_are() {
        let own = std::process::id();
        for (meter, expected) in [
            (Meter::new(None, Cards::default()), &["softirq_us_per_packet", "client_cores"][..]),
            (
                Meter::new(Some(own), threads(own)),
                &[
                    "cpu_us_per_packet",
                    "user_us_per_packet",
                    "system_us_per_packet",
                    "napi_us_per_packet",
                    "whole_us_per_packet",
                    "softirq_us_per_packet",
                    "server_cores",
                    "client_cores",
                ],
            ),
        ] {
            let before = meter.read().unwrap();
            let cost = meter.read().unwrap().since(before);
            let mut sample = Sample::default();
            cost.push(&mut sample, 10);

            assert_eq!(key_values(&sample), expected);
        }
    }

    #[test]
    fn clients_that_cost_more_than_the_server_are_told_of() {
        let reading = Meter::new(Some(std::process::id()), Cards::default()).read().unwrap();
        let mut cost = reading.since(reading);
        cost.elapsed = Duration::from_secs(1);
        assert_eq!(cost.note(), None);
        cost.client.total += Duration::from_millis(1);
        assert!(cost.note().is_some_and(|note| note.contains("more than the server")));
        cost.server = None;

        assert_eq!(cost.note(), None);
    }

    #[test]
    fn processes_that_are_gone_are_an_error() {
        assert!(Meter::new(Some(u32::MAX), Cards::default()).read().is_err());
        assert!(Meter::new(None, threads(u32::MAX)).read().is_err());
    }
}
