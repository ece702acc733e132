//! What was measured: samples by experiment, server and figure; medians, spreads and ratios.

use serde::Serialize;
use std::collections::BTreeMap;

/// A figure that an experiment yields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its name in JSON, with its unit.
    pub(super) key: &'static str,
    /// Its name in tables.
    pub(super) label: &'static str,
    /// How it is shown.
    pub(super) unit: Unit,
    /// Whether a ratio to the other servers says something.
    pub(super) compared: bool,
}

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds.
    Us,
    /// A whole number.
    Count,
    /// A second.
    PerSecond,
    /// A share, 0 to 1.
    Share,
    /// Bytes.
    Bytes,
    /// Processors.
    Cores,
    /// A factor.
    Times,
}

impl Metric {
    /// A figure that is compared.
    pub(super) const fn compared(key: &'static str, label: &'static str, unit: Unit) -> Self {
        Self { key, label, unit, compared: true }
    }

    /// A figure that stands for itself.
    pub(super) const fn plain(key: &'static str, label: &'static str, unit: Unit) -> Self {
        Self { key, label, unit, compared: false }
    }
}

impl Unit {
    /// A value in this unit.
    pub(super) fn show(self, value: f64) -> String {
        let (divisor, digits, name) = self.scale(value);

        format!("{}{name}", number(value / divisor, digits))
    }

    /// A median with the least and the most, all three in the unit that suits the first.
    pub(super) fn show_spread(self, spread: &Spread) -> String {
        let (divisor, digits, _) = self.scale(spread.median);
        let [min, max] = [spread.min, spread.max].map(|value| number(value / divisor, digits));

        format!("{} [{min} {max}]", self.show(spread.median))
    }

    /// What to divide by, how many digits to show, and the name behind them.
    fn scale(self, value: f64) -> (f64, usize, &'static str) {
        match self {
            Self::Us if value >= 1_000.0 => (1e3, 1, " ms"),
            Self::Us => (1.0, 2, " us"),
            Self::Count => (1.0, 0, ""),
            Self::PerSecond => (1.0, 0, "/s"),
            Self::Share => (0.01, 3, " %"),
            Self::Bytes if value.abs() >= 1e6 => (1e6, 1, " MB"),
            Self::Bytes if value.abs() >= 1e4 => (1e3, 1, " kB"),
            Self::Bytes => (1.0, 0, " B"),
            Self::Cores => (1.0, 2, ""),
            Self::Times => (1.0, 2, "x"),
        }
    }
}

/// One measurement's figures.
#[derive(Default)]
pub(super) struct Sample {
    /// In the order in which tables show them.
    pub(super) values: Vec<(&'static Metric, f64)>,
    /// What the reader must know to trust them.
    pub(super) notes: Vec<String>,
}

impl Sample {
    /// Appends a figure.
    pub(super) fn push(&mut self, metric: &'static Metric, value: f64) {
        self.values.push((metric, value));
    }

    /// What is compared, in one line, and what was lost.
    pub(super) fn summary(&self) -> String {
        let shown = |metric: &Metric| metric.compared || metric.key.starts_with("loss");
        let parts: Vec<_> = self
            .values
            .iter()
            .filter(|(metric, _)| shown(metric))
            .map(|(metric, value)| format!("{} {}", metric.label, metric.unit.show(*value)))
            .collect();

        parts.join(", ")
    }
}

/// The figures of one experiment.
pub(super) struct Findings {
    /// What was measured, in one line.
    pub(super) title: String,
    /// Servers in the order of their columns.
    pub(super) subjects: Vec<&'static str>,
    /// Figures in the order of their rows.
    pub(super) metrics: Vec<&'static Metric>,
    notes: Vec<(String, Vec<&'static str>)>,
    samples: BTreeMap<(&'static str, &'static str), Vec<f64>>,
}

/// A figure over its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Half are below.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
    /// In the order of measuring.
    samples: Vec<f64>,
}

impl Findings {
    /// Nothing found yet.
    pub(super) fn new(title: String, subjects: Vec<&'static str>) -> Self {
        let (metrics, notes, samples) = (Vec::new(), Vec::new(), BTreeMap::new());

        Self { title, subjects, metrics, notes, samples }
    }

    /// Adds one measurement.
    pub(super) fn add(&mut self, subject: &'static str, sample: Sample) {
        for (metric, value) in sample.values {
            if !self.metrics.contains(&metric) {
                self.metrics.push(metric);
            }
            self.samples.entry((metric.key, subject)).or_default().push(value);
        }
        for note in sample.notes {
            let index = self.notes.iter().position(|(known, _)| *known == note);
            let index = index.unwrap_or_else(|| {
                self.notes.push((note, Vec::new()));
                self.notes.len() - 1
            });
            let (_, subjects) = &mut self.notes[index];
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
    }

    /// What the reader must know, and of which servers.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.iter().map(|(note, of)| format!("{}: {note}", of.join(", "))).collect()
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// A server's figure.
    pub(super) fn spread(&self, metric: &Metric, subject: &'static str) -> Option<Spread> {
        let samples = self.samples.get(&(metric.key, subject))?.clone();
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = (sorted.len() - 1) as f64 / 2.0;
        let (below, above) = (middle.floor() as usize, middle.ceil() as usize);
        let median = f64::midpoint(sorted[below], sorted[above]);

        Some(Spread { median, min: sorted[0], max: sorted[sorted.len() - 1], samples })
    }

    /// The first server's figure by another's: a median of the ratios of measurements that stand
    /// beside each other, as the machine's mood changes between them.
    pub(super) fn ratio(&self, metric: &Metric, other: &'static str) -> Option<f64> {
        let first = self.subjects.first().filter(|&&first| first != other && metric.compared)?;
        let ours = self.samples.get(&(metric.key, *first))?;
        let theirs = self.samples.get(&(metric.key, other))?;
        let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        ratios.retain(|ratio| ratio.is_finite());
        ratios.sort_by(f64::total_cmp);

        ratios.get(ratios.len().saturating_sub(1) / 2).copied()
    }

    /// As JSON: by figure and server.
    pub(super) fn json(&self) -> serde_json::Value {
        let mut figures = serde_json::Map::new();
        for metric in &self.metrics {
            let mut servers = serde_json::Map::new();
            for &subject in &self.subjects {
                let Some(spread) = self.spread(metric, subject) else { continue };
                let mut value = serde_json::json!(spread);
                if let Some(ratio) = self.ratio(metric, subject) {
                    value["first_by_this"] = ratio.into();
                }
                servers.insert(subject.to_owned(), value);
            }
            figures.insert(metric.key.to_owned(), servers.into());
        }

        serde_json::json!({ "title": self.title, "figures": figures, "notes": self.notes() })
    }
}

/// A rounded number with commas, or one with decimals.
fn number(value: f64, decimals: usize) -> String {
    if decimals > 0 {
        return format!("{value:.decimals$}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }

    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CPU: Metric = Metric::compared("cpu_us", "CPU", Unit::Us);
    static LOSS: Metric = Metric::plain("loss", "loss", Unit::Share);

    fn sample(cpu: f64) -> Sample {
        Sample { values: vec![(&CPU, cpu), (&LOSS, 0.001)], notes: vec!["busy".to_owned()] }
    }

    #[test]
    fn medians_spreads_and_ratios_of_neighbours() {
        let mut findings = Findings::new("t".to_owned(), vec!["a", "b", "c"]);
        for (a, b) in [(1.0, 2.0), (30.0, 40.0), (2.0, 8.0)] {
            findings.add("a", sample(a));
            findings.add("b", sample(b));
        }

        let spread = findings.spread(&CPU, "a").unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 30.0));
        assert_eq!(findings.ratio(&CPU, "b"), Some(0.5));
        assert_eq!(findings.ratio(&LOSS, "b"), None);
        assert_eq!(findings.ratio(&CPU, "a"), None);
        assert_eq!(findings.spread(&CPU, "c"), None);
        assert_eq!(findings.notes(), ["a, b: busy"]);
        assert_eq!(findings.json()["figures"]["cpu_us"]["b"]["first_by_this"], 0.5);
    }

    #[test]
    fn values_are_shown_with_their_unit() {
        assert_eq!(Unit::Us.show(4.234), "4.23 us");
        assert_eq!(Unit::Us.show(4_234.0), "4.2 ms");
        let spread = Spread { median: 4_234.0, min: 700.0, max: 9_000.0, samples: Vec::new() };
        assert_eq!(Unit::Us.show_spread(&spread), "4.2 ms [0.7 9.0]");
        assert_eq!(Unit::PerSecond.show(1_234_567.0), "1,234,567/s");
        assert_eq!(Unit::Count.show(-0.2), "0");
        assert_eq!(Unit::Count.show(-1_200.0), "-1,200");
        assert_eq!(Unit::Share.show(0.0123), "1.230 %");
        assert_eq!(Unit::Bytes.show(3_456.0), "3,456 B");
        assert_eq!(Unit::Bytes.show(22_400.0), "22.4 kB");
    }
}
