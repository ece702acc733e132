//! What `/metrics` shows of webhooks.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge};

/// Counters of webhooks; clones count together.
#[derive(Clone)]
pub(crate) struct WebhookMetrics {
    /// Events kept that are not delivered yet.
    pub(crate) pending: IntGauge,
    /// Events that the receiver took.
    pub(crate) delivered: IntCounter,
    /// Events given up: refused too often, or too old.
    pub(crate) failed: IntCounter,
    /// Attempts after the first.
    pub(crate) retries: IntCounter,
    /// Events that there was no room to keep.
    pub(crate) dropped: IntCounter,
    /// Writes to the journal that failed.
    pub(crate) disk_errors: IntCounter,
}

impl WebhookMetrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let counter = |name: &str, help| IntCounter::new(format!("millrace_webhook_{name}"), help);
        let pending = "Events that wait for their delivery now";

        Ok(Self {
            pending: IntGauge::new("millrace_webhook_pending", pending)?,
            delivered: counter("delivered_total", "Events that the receiver took")?,
            failed: counter("failed_total", "Events given up: refused too often, or too old")?,
            retries: counter("retries_total", "Attempts after an event's first")?,
            dropped: counter("dropped_total", "Events that there was no room to keep")?,
            disk_errors: counter("disk_errors_total", "Failed writes to the journal")?,
        })
    }

    pub(crate) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let counters =
            [&self.delivered, &self.failed, &self.retries, &self.dropped, &self.disk_errors];
        let counters = counters.map(|counter| Box::new(counter.clone()) as Box<dyn Collector>);
        let pending: Box<dyn Collector> = Box::new(self.pending.clone());

        counters.into_iter().chain([pending]).collect()
    }
}
