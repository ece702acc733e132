//! Where values stand on an axis, and which of them are written beside it.

use crate::figures::Unit;

/// Ticks that an axis has at most, about.
const TICKS: f64 = 5.0;

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly, from nought.
    Linear,
    /// Each factor the same way.
    Log,
    /// Shares of a whole: each nine the same way.
    Nines,
}

/// A scale over a range of values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    scale: Scale,
    min: f64,
    max: f64,
}

impl Range {
    /// A range that holds some values, with round ends; `None` without values that can be shown.
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Option<Self> {
        let shown = |value: &f64| value.is_finite() && (scale != Scale::Log || *value > 0.0);
        let (min, max) = values
            .filter(shown)
            .fold((f64::MAX, f64::MIN), |(min, max), value| (min.min(value), max.max(value)));
        if min > max {
            return None;
        }
        let (min, max) = match scale {
            Scale::Linear => {
                let step = step(max.max(f64::MIN_POSITIVE));
                (0.0, (max / step).ceil().max(1.0) * step)
            }
            Scale::Log => {
                let (below, above) = (round_log(min, f64::floor), round_log(max, f64::ceil));
                if below < above { (below, above) } else { (below / 2.0, above * 2.0) }
            }
            Scale::Nines => (0.0, max.max(0.99)),
        };

        Some(Self { scale, min, max })
    }

    /// Where a value stands: 0 at the least, 1 at the most.
    pub(super) fn at(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
            Scale::Nines => -(1.0 - value).max(1e-9).log10(),
        };
        let (min, max) = (along(self.min), along(self.max));

        ((along(value) - min) / (max - min)).clamp(0.0, 1.0)
    }

    /// Values to write, with their texts.
    pub(super) fn ticks(&self, unit: Unit) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self.scale {
            Scale::Linear => {
                let step = step(self.max);
                (0..=(self.max / step).round() as u32).map(|n| f64::from(n) * step).collect()
            }
            Scale::Log => self.log_ticks(),
            Scale::Nines => vec![0.0, 0.5, 0.9, 0.99, 0.999, 0.999_9, 0.999_99],
        };
        let rounded = 1e-9 * self.max;
        let within = |value: &f64| (self.min - rounded..=self.max + rounded).contains(value);
        let text = |value: f64| match self.scale {
            Scale::Nines => format!("{}", (value * 1e7).round() / 1e5),
            Scale::Linear | Scale::Log => unit.tick(value),
        };

        values.into_iter().filter(within).map(|value| (value, text(value))).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = self.min.log10().floor() as i32..=self.max.log10().ceil() as i32;
        let steps: &[f64] = if decades.clone().count() > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks = decades.flat_map(|decade| steps.iter().map(move |s| s * 10_f64.powi(decade)));

        ticks.collect()
    }
}

/// A round step of which about `TICKS` make `max`.
fn step(max: f64) -> f64 {
    let rough = max / TICKS;
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * decade);

    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * decade)
}

/// The next of 1, 2, 5 and their decades, downwards or upwards.
fn round_log(value: f64, round: fn(f64) -> f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = value / decade;
    let is_up = round(0.5) > 0.5;
    let steps = [1.0, 2.0, 5.0, 10.0];
    let found = match is_up {
        true => steps.into_iter().find(|step| *step >= factor * 0.999),
        false => steps.into_iter().rev().find(|step| *step <= factor * 1.001),
    };

    found.unwrap_or(1.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, values: &[f64], unit: Unit) -> Vec<String> {
        let range = Range::over(scale, values.iter().copied()).unwrap();

        range.ticks(unit).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn axes_have_round_numbers() {
        let linear = texts(Scale::Linear, &[3.0, 4.4], Unit::Us);
        assert_eq!(linear, ["0 us", "1 us", "2 us", "3 us", "4 us", "5 us"]);
        let rates = texts(Scale::Linear, &[25e3, 100e3], Unit::PerSecond);
        assert_eq!(rates, ["0/s", "20k/s", "40k/s", "60k/s", "80k/s", "100k/s"]);
        assert_eq!(texts(Scale::Log, &[30.0, 900.0], Unit::Us)[..2], ["20 us", "50 us"]);
        assert_eq!(texts(Scale::Log, &[3.0, 2e6], Unit::Us).last().unwrap(), "1 s");
        assert_eq!(
            texts(Scale::Nines, &[0.5, 0.999], Unit::Share),
            ["0", "50", "90", "99", "99.9"]
        );
    }

    #[test]
    fn values_stand_between_the_ends() {
        let log = Range::over(Scale::Log, [10.0, 1_000.0].into_iter()).unwrap();
        assert_eq!((log.at(10.0), log.at(100.0), log.at(1e9)), (0.0, 0.5, 1.0));
        let nines = Range::over(Scale::Nines, [0.0, 0.99].into_iter()).unwrap();
        assert!((nines.at(0.9) - 0.5).abs() < 1e-9);
        for scale in [Scale::Linear, Scale::Log] {
            let range = Range::over(scale, [7.0].into_iter()).unwrap();
            assert!((0.0..=1.0).contains(&range.at(7.0)));
            assert!(Range::over(scale, [f64::NAN].into_iter()).is_none());
        }
    }
}
