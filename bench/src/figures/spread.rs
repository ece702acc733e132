//! A figure over its repetitions.

use serde::Serialize;

/// Repetitions from which quartiles say more than the least and the most.
const QUARTILES_FROM: usize = 5;

/// All values of a figure, and what stands for them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half are below.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The most.
    pub(crate) max: f64,
    /// A quarter is below the first, a quarter above the second; of five values or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quartiles: Option<(f64, f64)>,
    /// In the order of measuring.
    pub(crate) samples: Vec<f64>,
}

impl Spread {
    /// The spread of some values; none of none.
    pub(crate) fn of(samples: Vec<f64>) -> Option<Self> {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let quartiles = (sorted.len() >= QUARTILES_FROM)
            .then(|| (quantile(&sorted, 0.25), quantile(&sorted, 0.75)));

        Some(Self { median: quantile(&sorted, 0.5), min, max, quartiles, samples })
    }

    /// What is shown beside the median: the quartiles if there are any, else the least and the
    /// most.
    pub(crate) fn ends(&self) -> (f64, f64) {
        self.quartiles.unwrap_or((self.min, self.max))
    }

    /// Whether its values differ.
    pub(crate) fn varies(&self) -> bool {
        self.min < self.max
    }
}

/// The value at a share of sorted values, between its neighbours where it falls between.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);

    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_median_and_ends() {
        let spread = Spread::of(vec![30.0, 1.0, 2.0]).unwrap();

        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 30.0));
        assert_eq!((spread.quartiles, spread.ends()), (None, (1.0, 30.0)));
        assert_eq!(spread.samples, [30.0, 1.0, 2.0]);
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn five_values_have_quartiles() {
        let spread = Spread::of(vec![5.0, 1.0, 100.0, 2.0, 3.0]).unwrap();

        assert_eq!((spread.median, spread.ends()), (3.0, (2.0, 5.0)));
        assert!(spread.varies());
    }
}
