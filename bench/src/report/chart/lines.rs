//! Lines over two axes, one for each server.

use super::super::page::escape;
use super::scale::{Range, Scale};
use crate::figures::Unit;
use std::fmt::Write as _;

/// Size of the drawing, and what its axes' texts take of it.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// How far points of different servers stand apart.
const DODGE: f64 = 2.5;

/// A chart.
pub(crate) struct Lines {
    /// What it shows.
    pub(crate) title: String,
    /// From left to right.
    pub(crate) x: Axis,
    /// From the bottom up.
    pub(crate) y: Axis,
    /// One for each server.
    pub(crate) series: Vec<Series>,
}

/// An axis.
pub(crate) struct Axis {
    /// What it counts; without it the title says so.
    pub(crate) label: String,
    /// How values are spread over it.
    pub(crate) scale: Scale,
    /// What its numbers are.
    pub(crate) unit: Unit,
}

/// One server's line.
pub(crate) struct Series {
    /// The server.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) colour: usize,
    /// From left to right.
    pub(crate) points: Vec<Point>,
}

/// A point of a line.
pub(crate) struct Point {
    /// Where.
    pub(crate) x: f64,
    /// How much.
    pub(crate) y: f64,
    /// The spread of it, where it was measured more than once.
    pub(crate) ends: Option<(f64, f64)>,
}

impl Lines {
    /// The chart with its legend; nothing if there is nothing to draw.
    pub(crate) fn html(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Range::over(self.x.scale, points().map(|point| point.x));
        let y = Range::over(self.y.scale, points().flat_map(Point::values));
        let Some((x, y)) = x.zip(y) else { return String::new() };
        let mut svg = String::new();
        self.axes(&mut svg, &x, &y);
        for series in &self.series {
            series.draw(&mut svg, &x, &y);
        }
        let title = escape(&self.title);

        format!(
            "<figure><figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"{title}\">\n{svg}</svg>\n{}</figure>\n",
            self.legend()
        )
    }

    fn axes(&self, svg: &mut String, x: &Range, y: &Range) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in y.ticks(self.y.unit) {
            let at = across(y.at(value));
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 5.0,
                at + 4.0
            );
        }
        for (value, text) in x.ticks(self.x.unit) {
            let at = along(x.at(value));
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 15.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 6.0,
            escape(&self.x.label)
        );
    }

    fn legend(&self) -> String {
        let mut legend = String::from("<p class=\"legend\">");
        for Series { name, colour, .. } in &self.series {
            let name = escape(name);
            let _ = write!(
                legend,
                "<span><svg viewBox=\"0 0 28 10\"><path class=\"line s{colour}\" d=\"M0 5H28\"/>\
                 </svg>{name}</span> "
            );
        }

        legend + "</p>\n"
    }
}

impl Point {
    fn values(&self) -> impl Iterator<Item = f64> {
        let (from, to) = self.ends.unwrap_or((self.y, self.y));

        [self.y, from, to].into_iter()
    }
}

impl Series {
    fn draw(&self, svg: &mut String, x: &Range, y: &Range) {
        let colour = self.colour;
        let mut path = String::new();
        for (index, point) in self.points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ =
                write!(path, "{command}{:.1} {:.1}", along(x.at(point.x)), across(y.at(point.y)));
        }
        let _ = writeln!(svg, "<path class=\"line s{colour}\" d=\"{path}\"/>");
        for point in &self.points {
            let Some((from, to)) = point.ends else { continue };
            // Beside each other, or the last one's would hide the others'.
            let at = along(x.at(point.x)) + DODGE * (self.colour as f64 - 1.5);
            let [y, from, to] = [point.y, from, to].map(|value| across(y.at(value)));
            let _ = writeln!(
                svg,
                "<path class=\"spread s{colour}\" d=\"M{at:.1} {from:.1}V{to:.1}\"/>\
                 <circle class=\"dot s{colour}\" cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
            );
        }
    }
}

fn along(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn across(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Point>) -> String {
        let axis = |scale, unit| Axis { label: "a<b".to_owned(), scale, unit };
        Lines {
            title: "t".to_owned(),
            x: axis(Scale::Linear, Unit::PerSecond),
            y: axis(Scale::Log, Unit::Us),
            series: vec![Series { name: "we".to_owned(), colour: 2, points }],
        }
        .html()
    }

    #[test]
    fn lines_go_through_their_points_with_their_spread() {
        let point = |x, y| Point { x, y, ends: Some((y / 2.0, y * 2.0)) };
        let chart = chart(vec![point(0.0, 20.0), point(50.0, 40.0), point(100.0, 80.0)]);

        assert!(chart.contains("<path class=\"line s2\" d=\"M58.0 "), "{chart}");
        assert!(chart.contains("L232.0 ") && chart.contains("L406.0 "), "{chart}");
        assert_eq!(chart.matches("class=\"spread s2\"").count(), 3);
        assert!(chart.contains("a&#60;b") && chart.contains(">we</span>"));
    }

    #[test]
    fn nothing_to_draw_is_nothing() {
        assert_eq!(chart(Vec::new()), "");
    }
}
