//! One measurement's figures.

use super::Metric;
use hdrhistogram::Histogram;

/// What one measurement of one server yields.
#[derive(Default)]
pub(crate) struct Sample {
    /// In the order in which tables show them.
    pub(crate) values: Vec<(&'static Metric, f64)>,
    /// How long packets were on the way, in nanoseconds, where each was timed.
    pub(crate) latency: Option<Histogram<u64>>,
    /// What the reader must know to trust them.
    pub(crate) notes: Vec<String>,
}

impl Sample {
    /// Appends a figure.
    pub(crate) fn push(&mut self, metric: &'static Metric, value: f64) {
        self.values.push((metric, value));
    }

    /// What is compared, in one line, and what was lost.
    pub(crate) fn summary(&self) -> String {
        let shown = |metric: &Metric| metric.compared || metric.key.starts_with("loss");
        let parts: Vec<_> = self
            .values
            .iter()
            .filter(|(metric, _)| shown(metric))
            .map(|(metric, value)| format!("{} {}", metric.label.trim(), metric.unit.show(*value)))
            .collect();

        parts.join(", ")
    }
}
