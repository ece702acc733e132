//! What was measured: samples by server and figure, over repetitions; ratios of neighbours.

use super::{Metric, Sample, Spread};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Shares of the packets at which a latency curve is told.
const CURVE: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.999_9, 1.0];

/// The figures of one experiment.
pub(crate) struct Findings {
    /// What was measured, in one line.
    pub(crate) title: String,
    /// Servers in the order of their columns; the first is what the others are compared with.
    pub(crate) subjects: Vec<String>,
    /// Figures in the order of their rows.
    pub(crate) metrics: Vec<&'static Metric>,
    /// Where they stand among others.
    pub(crate) place: Option<Place>,
    notes: Vec<(String, Vec<String>)>,
    /// By figure and server: the value of each repetition that yielded one.
    values: BTreeMap<(&'static str, String), BTreeMap<u32, f64>>,
    latencies: BTreeMap<String, Histogram<u64>>,
    failed: BTreeSet<String>,
}

/// Where an experiment stands among others that differ from it by one number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Place {
    /// What they have in common.
    pub(crate) group: String,
    /// What the number counts.
    pub(crate) axis: &'static str,
    /// The number.
    pub(crate) at: f64,
}

impl Findings {
    /// Nothing found yet.
    pub(crate) fn new(title: String, subjects: Vec<String>) -> Self {
        Self {
            title,
            subjects,
            metrics: Vec::new(),
            place: None,
            notes: Vec::new(),
            values: BTreeMap::new(),
            latencies: BTreeMap::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Adds a repetition's measurement of one server.
    pub(crate) fn add(&mut self, subject: &str, repetition: u32, sample: Sample) {
        for (metric, value) in sample.values {
            if !self.metrics.contains(&metric) {
                self.metrics.push(metric);
            }
            let values = self.values.entry((metric.key, subject.to_owned())).or_default();
            values.insert(repetition, value);
        }
        if let Some(latency) = sample.latency {
            match self.latencies.get_mut(subject) {
                Some(all) => all.add(&latency).expect("all histograms have the same bounds"),
                None => drop(self.latencies.insert(subject.to_owned(), latency)),
            }
        }
        sample.notes.into_iter().for_each(|note| self.note(subject, note));
    }

    /// Adds what the reader must know of a server.
    pub(crate) fn note(&mut self, subject: &str, note: String) {
        let index = self.notes.iter().position(|(known, _)| *known == note);
        let index = index.unwrap_or_else(|| {
            self.notes.push((note, Vec::new()));
            self.notes.len() - 1
        });
        let (_, subjects) = &mut self.notes[index];
        if !subjects.iter().any(|known| known == subject) {
            subjects.push(subject.to_owned());
        }
    }

    /// Notes that a server failed, and why.
    pub(crate) fn fail(&mut self, subject: &str, error: &anyhow::Error) {
        self.note(subject, format!("failed: {error:#}"));
        self.failed.insert(subject.to_owned());
    }

    /// Whether a server failed.
    pub(crate) fn failed(&self, subject: &str) -> bool {
        self.failed.contains(subject)
    }

    /// What the reader must know, and of which servers.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.iter().map(|(note, of)| format!("{}: {note}", of.join(", "))).collect()
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A server's figure.
    pub(crate) fn spread(&self, metric: &Metric, subject: &str) -> Option<Spread> {
        Spread::of(self.values_of(metric, subject)?.values().copied().collect())
    }

    /// How long a server's packets were on the way, over all repetitions, in nanoseconds.
    pub(crate) fn latency(&self, subject: &str) -> Option<&Histogram<u64>> {
        self.latencies.get(subject)
    }

    /// The first server's figure by another's: the ratios of measurements of one repetition, which
    /// stand beside each other, as the machine's mood changes between repetitions.
    pub(crate) fn ratio(&self, metric: &Metric, other: &str) -> Option<Spread> {
        let first = self.subjects.first().filter(|first| *first != other && metric.compared)?;
        let (ours, theirs) = (self.values_of(metric, first)?, self.values_of(metric, other)?);
        let ratios = ours.iter().filter_map(|(repetition, ours)| {
            let ratio = ours / theirs.get(repetition)?;
            ratio.is_finite().then_some(ratio)
        });

        Spread::of(ratios.collect())
    }

    /// As JSON: by figure and server.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut figures = serde_json::Map::new();
        for metric in &self.metrics {
            let mut servers = serde_json::Map::new();
            for subject in &self.subjects {
                let Some(spread) = self.spread(metric, subject) else { continue };
                let mut value = serde_json::json!(spread);
                if let Some(ratio) = self.ratio(metric, subject) {
                    value["first_by_this"] = serde_json::json!(ratio);
                }
                servers.insert(subject.clone(), value);
            }
            figures.insert(metric.key.to_owned(), servers.into());
        }

        serde_json::json!({
            "title": self.title,
            "place": self.place,
            "figures": figures,
            "latency_us": self.latencies_json(),
            "notes": self.notes(),
        })
    }

    /// By server: a curve of shares of the packets and the time that they took at most.
    fn latencies_json(&self) -> serde_json::Value {
        let curve = |latency: &Histogram<u64>| {
            let at = |share: &f64| [*share, latency.value_at_quantile(*share) as f64 / 1e3];
            serde_json::json!(CURVE.iter().map(at).collect::<Vec<_>>())
        };

        self.subjects.iter().filter_map(|s| Some((s.clone(), curve(self.latency(s)?)))).collect()
    }

    fn values_of(&self, metric: &Metric, subject: &str) -> Option<&BTreeMap<u32, f64>> {
        self.values.get(&(metric.key, subject.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    static CPU: Metric = Metric::compared("cpu_us", "CPU", Unit::Us);
    static LOSS: Metric = Metric::plain("loss", "loss", Unit::Share);

    fn sample(cpu: f64) -> Sample {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        latency.record(cpu as u64 * 1_000).unwrap();
        Sample {
            values: vec![(&CPU, cpu), (&LOSS, 0.001)],
            latency: Some(latency),
            notes: vec!["busy".to_owned()],
        }
    }

    fn findings() -> Findings {
        Findings::new("t".to_owned(), ["a", "b", "c"].map(str::to_owned).to_vec())
    }

    #[test]
    fn medians_spreads_and_ratios_of_neighbours() {
        let mut findings = findings();
        for (repetition, (a, b)) in [(1.0, 2.0), (30.0, 40.0), (2.0, 8.0)].into_iter().enumerate() {
            findings.add("a", repetition as u32, sample(a));
            findings.add("b", repetition as u32, sample(b));
        }

        let spread = findings.spread(&CPU, "a").unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 30.0));
        assert_eq!(findings.ratio(&CPU, "b").unwrap().median, 0.5);
        assert_eq!(findings.ratio(&LOSS, "b"), None);
        assert_eq!(findings.ratio(&CPU, "a"), None);
        assert_eq!(findings.spread(&CPU, "c"), None);
        assert_eq!(findings.notes(), ["a, b: busy"]);
        assert_eq!(findings.json()["figures"]["cpu_us"]["b"]["first_by_this"]["median"], 0.5);
        assert_eq!(findings.latency("a").unwrap().len(), 3);
        assert_eq!(findings.json()["latency_us"]["a"][2][1], 2.0);
    }

    #[test]
    fn ratios_pair_repetitions_even_if_one_failed() {
        let mut findings = findings();
        for (repetition, cpu) in [(0, 1.0), (1, 10.0), (2, 100.0)] {
            findings.add("a", repetition, sample(cpu));
        }
        for (repetition, cpu) in [(1, 20.0), (2, 200.0)] {
            findings.add("b", repetition, sample(cpu));
        }

        assert_eq!(findings.ratio(&CPU, "b").unwrap().samples, [0.5, 0.5]);
    }
}
