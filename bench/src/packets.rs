//! Figures that every load of packets has: what came of them, how late, and how the clients did.

use crate::cost::Cost;
use crate::figures::{Metric, Sample, Unit};
use crate::tally::Tally;

/// Share of its threads' time from which the client, not the server, may have been the limit.
const CLIENT_BUSY: f64 = 0.9;
/// Share of the packets that were due and must have been sent.
const SENT_MIN: f64 = 0.98;

static RECEIVED: Metric = Metric::plain("received", "received", Unit::Count);
static LOST: Metric = Metric::plain("lost", "lost", Unit::Count);
static LOSS: Metric = Metric::plain("loss", "loss", Unit::Share);
static DUPLICATES: Metric = Metric::plain("duplicates", "duplicates", Unit::Count);
static REORDERED: Metric = Metric::plain("reordered", "reordered", Unit::Count);
static CORRUPTED: Metric = Metric::plain("corrupted", "corrupted", Unit::Count);
static P50: Metric = Metric::compared("latency_p50_us", "latency p50", Unit::Us);
static P99: Metric = Metric::compared("latency_p99_us", "latency p99", Unit::Us);
static P999: Metric = Metric::compared("latency_p99_9_us", "latency p99.9", Unit::Us);
static MAX: Metric = Metric::plain("latency_max_us", "latency max", Unit::Us);
static HELD: Metric = Metric::plain("client_held_back", "not sent by the client", Unit::Count);
static DROPS: Metric = Metric::plain("client_receive_drops", "dropped by the client", Unit::Count);

/// Adds what came of the packets, and how late.
pub(crate) fn push_tally(tally: &Tally, sample: &mut Sample) {
    for (metric, value) in [
        (&RECEIVED, tally.received),
        (&LOST, tally.lost()),
        (&DUPLICATES, tally.duplicates),
        (&REORDERED, tally.reordered),
        (&CORRUPTED, tally.corrupted),
    ] {
        sample.push(metric, value as f64);
    }
    sample.push(&LOSS, tally.loss());
    for (metric, quantile) in [(&P50, 0.5), (&P99, 0.99), (&P999, 0.999), (&MAX, 1.0)] {
        sample.push(metric, tally.latency.value_at_quantile(quantile) as f64 / 1e3);
    }
    sample.latency = Some(tally.latency.clone());
}

/// How the clients did under a load of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clients {
    /// Their threads.
    pub(crate) threads: u32,
    /// Packets that they sent.
    pub(crate) sent: u64,
    /// Packets that were due and that they left out.
    pub(crate) held_back: u64,
    /// Packets that came and found no room in their buffers.
    pub(crate) drops: u64,
}

impl Clients {
    /// Whether they could not send what was due, or not receive what came.
    pub(crate) fn are_the_limit(&self, cost: &Cost) -> bool {
        self.are_busy(cost) || self.drops > 0 || self.are_late()
    }

    /// Adds what they did not manage, and what that means.
    pub(crate) fn push(&self, cost: &Cost, sample: &mut Sample) {
        sample.push(&HELD, self.held_back as f64);
        sample.push(&DROPS, self.drops as f64);
        sample.notes.extend(self.notes(cost).into_iter().map(str::to_owned));
    }

    fn notes(&self, cost: &Cost) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.are_busy(cost) {
            notes.push(
                "the clients were the limit, their processors full: rate, loss and latency are \
                 theirs; CPU per packet holds",
            );
        }
        if self.drops > 0 {
            notes.push("the clients' buffers ran over: loss is theirs, not the server's");
        }
        if self.are_late() {
            notes.push(
                "the clients did not get their processor when packets were due, and left them \
                 out: the machine has other work, or the rate is too high for them",
            );
        }
        notes.extend(cost.note());

        notes
    }

    fn are_busy(&self, cost: &Cost) -> bool {
        cost.client_cores() > CLIENT_BUSY * f64::from(self.threads)
    }

    fn are_late(&self) -> bool {
        (self.sent as f64) < SENT_MIN * (self.sent + self.held_back) as f64
    }
}
