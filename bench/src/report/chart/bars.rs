//! Horizontal bars with their spread, one for each server.

use super::super::page::escape;
use crate::figures::{Spread, Unit};
use std::fmt::Write as _;

/// Size of the drawing, and what names and values take of it.
const WIDTH: f64 = 420.0;
const LINE: f64 = 26.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 76.0;

/// One server's figure.
pub(crate) struct Bar {
    /// The server.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) colour: usize,
    /// Its figure.
    pub(crate) spread: Spread,
}

/// A figure of some servers; nothing if there are none.
pub(crate) fn bars(title: &str, unit: Unit, bars: &[Bar]) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let longest = bars.iter().map(|bar| bar.spread.ends().1).fold(f64::MIN_POSITIVE, f64::max);
    let along = |value: f64| LEFT + (value / longest).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let (height, title) = (bars.len() as f64 * LINE, escape(title));
    let mut svg = format!(
        "<figure><figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n"
    );
    for (index, Bar { name, colour, spread }) in bars.iter().enumerate() {
        let top = index as f64 * LINE + 4.0;
        let (middle, base) = (top + 9.0, top + 13.5);
        let (end, (from, to)) = (along(spread.median), spread.ends());
        let (from, to) = (along(from), along(to));
        let text = end.max(to) + 6.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar s{colour}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" \
             height=\"18\"/><path class=\"whisker\" d=\"M{from:.1} {middle:.1}H{to:.1}\"/>\
             <text x=\"{text:.1}\" y=\"{base:.1}\">{}</text>",
            LEFT - 6.0,
            escape(name),
            end - LEFT,
            unit.show(spread.median)
        );
    }

    svg + "</svg></figure>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_spread_takes_the_width() {
        let bar = |name: &str, samples: Vec<f64>| Bar {
            name: name.to_owned(),
            colour: 1,
            spread: Spread::of(samples).unwrap(),
        };
        let chart = bars("CPU", Unit::Us, &[bar("a&b", vec![1.0]), bar("c", vec![2.0, 3.0, 4.0])]);

        assert!(chart.contains("width=\"63.0\"") && chart.contains("width=\"189.0\""), "{chart}");
        assert!(chart.contains("a&#38;b") && chart.contains(">3.00 us</text>"));
        assert_eq!(bars("CPU", Unit::Us, &[]), "");
    }
}
