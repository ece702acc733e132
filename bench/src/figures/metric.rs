//! Kinds of figures, and how their values are shown.

use super::Spread;

/// A figure that an experiment yields.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    /// Its name in JSON, with its unit.
    pub(crate) key: &'static str,
    /// Its name in tables.
    pub(crate) label: &'static str,
    /// How it is shown.
    pub(crate) unit: Unit,
    /// Whether a ratio to the other servers says something.
    pub(crate) compared: bool,
}

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
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
    pub(crate) const fn compared(key: &'static str, label: &'static str, unit: Unit) -> Self {
        Self { key, label, unit, compared: true }
    }

    /// A figure that stands for itself.
    pub(crate) const fn plain(key: &'static str, label: &'static str, unit: Unit) -> Self {
        Self { key, label, unit, compared: false }
    }
}

impl Unit {
    /// A value in this unit.
    pub(crate) fn show(self, value: f64) -> String {
        let (divisor, digits, name) = self.scale(value);

        format!("{}{name}", number(value / divisor, digits))
    }

    /// A median with the ends of its spread, all three in the unit that suits the first.
    pub(crate) fn show_spread(self, spread: &Spread) -> String {
        let (divisor, digits, _) = self.scale(spread.median);
        let (from, to) = spread.ends();
        let [from, to] = [from, to].map(|value| number(value / divisor, digits));

        format!("{} [{from} {to}]", self.show(spread.median))
    }

    /// A round value beside an axis, as short as can be.
    pub(crate) fn tick(self, value: f64) -> String {
        let (divisor, name) = match self {
            Self::Us if value >= 1e6 => (1e6, " s"),
            Self::Us if value >= 1e3 => (1e3, " ms"),
            Self::Us => (1.0, " us"),
            Self::Count | Self::PerSecond | Self::Bytes if value >= 1e6 => (1e6, "M"),
            Self::Count | Self::PerSecond | Self::Bytes if value >= 1e3 => (1e3, "k"),
            Self::Share => (0.01, " %"),
            Self::Count | Self::PerSecond | Self::Bytes | Self::Cores | Self::Times => (1.0, ""),
        };
        let behind = match self {
            Self::PerSecond => "/s",
            Self::Bytes => "B",
            Self::Us | Self::Count | Self::Share | Self::Cores | Self::Times => "",
        };

        format!("{}{name}{behind}", (value / divisor * 1e4).round() / 1e4)
    }

    /// What to divide by, how many digits to show, and the name behind them.
    fn scale(self, value: f64) -> (f64, usize, &'static str) {
        match self {
            Self::Us if value >= 1e6 => (1e6, 2, " s"),
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

    #[test]
    fn values_are_shown_with_their_unit() {
        assert_eq!(Unit::Us.show(4.234), "4.23 us");
        assert_eq!(Unit::Us.show(4_234.0), "4.2 ms");
        assert_eq!(Unit::Us.show(4_234_000.0), "4.23 s");
        assert_eq!(Unit::PerSecond.show(1_234_567.0), "1,234,567/s");
        assert_eq!(Unit::Count.show(-0.2), "0");
        assert_eq!(Unit::Count.show(-1_200.0), "-1,200");
        assert_eq!(Unit::Share.show(0.0123), "1.230 %");
        assert_eq!(Unit::Bytes.show(3_456.0), "3,456 B");
        assert_eq!(Unit::Bytes.show(22_400.0), "22.4 kB");
    }

    #[test]
    fn spreads_are_shown_in_the_unit_of_their_median() {
        let spread = Spread::of(vec![4_234.0, 700.0, 9_000.0]).unwrap();

        assert_eq!(Unit::Us.show_spread(&spread), "4.2 ms [0.7 9.0]");
    }
}
