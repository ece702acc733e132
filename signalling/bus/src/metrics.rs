//! What `/metrics` shows of the bus.

use crate::Error;
use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts};
use std::time::Duration;

/// Upper ends of the histogram's buckets, seconds: a local Redis answers in 0.1 ms, and no
/// operation takes longer than the deadline of 2 s.
const BUCKETS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// Counters of one node's handle.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// 1 when Redis is reached, or none is needed.
    pub(crate) up: IntGauge,
    /// What the node missed: it came back to Redis, or a number was left out.
    pub(crate) gaps: prometheus::IntCounter,
    operations: IntCounterVec,
    seconds: HistogramVec,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // Names and labels are constants, so none of these can fail.
        let counters = Opts::new("millrace_bus_operations_total", "Operations, by their outcome");
        let seconds = HistogramOpts::new("millrace_bus_operation_seconds", "Time of an operation");
        let gaps = ("millrace_bus_gaps_total", "How often messages between nodes may be lost");
        Self {
            up: IntGauge::new("millrace_bus_up", "Whether Redis is reached, or none is needed")
                .expect("a good name"),
            gaps: prometheus::IntCounter::new(gaps.0, gaps.1).expect("a good name"),
            operations: IntCounterVec::new(counters, &["operation", "outcome"])
                .expect("good names"),
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["operation"])
                .expect("good names"),
        }
    }

    /// Counts an operation that has ended.
    pub(crate) fn count<T>(
        &self,
        operation: &'static str,
        took: Duration,
        result: &Result<T, Error>,
    ) {
        let outcome = result.as_ref().map_or_else(Error::label, |_| "ok");
        self.operations.with_label_values(&[operation, outcome]).inc();
        self.seconds.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// All of them, to be registered.
    pub(crate) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.up.clone()),
            Box::new(self.gaps.clone()),
            Box::new(self.operations.clone()),
            Box::new(self.seconds.clone()),
        ]
    }
}
