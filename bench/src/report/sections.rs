//! The parts of the page that are made of findings: what is seen at a glance, and charts.

use super::chart::{Axis, Bar, COLOURS, Lines, Point, Scale, Series, bars};
use super::page::escape;
use crate::figures::{Findings, Metric, Unit};
use hdrhistogram::Histogram;
use std::fmt::Write as _;

/// Figures whose bars are drawn, where they were found.
const BARS: [&str; 6] = [
    "cpu_us_per_packet",
    WHOLE,
    "saturation_per_second",
    "cpu_us_per_allocation",
    "pss_bytes_per_allocation",
    "cpu_us_per_probe",
];
/// Figures whose lines are drawn over what experiments differ by.
const SWEPT: [&str; 5] =
    ["cpu_us_per_packet", WHOLE, "relayed_per_second", "forwarded_per_second", "latency_p99_us"];
/// Cost of process and card, for which a line at a glance has place rather than for the first.
const WHOLE: &str = "whole_us_per_packet";
/// Points of a latency curve for each nine.
const POINTS: u32 = 12;
/// A curve ends where fewer packets than these were slower: what one packet met is no share.
const SLOWER_MIN: f64 = 10.0;

/// Names of all servers, whose places are their colours.
pub(super) fn names(findings: &[Findings]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in findings.iter().flat_map(|findings| &findings.subjects) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }

    names
}

/// One line for each experiment: the figure that stands for it, of all servers.
pub(super) fn glance(page: &mut String, findings: &[Findings]) {
    page.push_str("<section><h2>At a glance</h2>\n<div><table class=\"glance\">\n<tr>");
    let names = names(findings);
    for name in &names {
        let _ = write!(page, "<th>{}</th>", escape(name));
    }
    page.push_str("</tr>\n");
    for one in findings {
        // What the network's card does for a server is its cost too, where that can be told.
        let whole = one.metrics.iter().find(|metric| metric.key == WHOLE);
        let first = || one.metrics.iter().find(|metric| metric.compared);
        let Some(metric) = whole.or_else(first) else { continue };
        let (title, label) = (escape(&one.title), escape(metric.label.trim()));
        let _ = write!(
            page,
            "<tr><td colspan=\"{}\"><span>{title}<br><small>{label}</small></span></td></tr>\n<tr>",
            names.len()
        );
        for name in &names {
            let _ = write!(page, "<td>{}</td>", cell(one, metric, name));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div></section>\n");
}

fn cell(findings: &Findings, metric: &Metric, name: &str) -> String {
    let Some(spread) = findings.spread(metric, name) else {
        return if findings.failed(name) { "failed".to_owned() } else { String::new() };
    };
    let mut cell = metric.unit.show(spread.median);
    if spread.varies() {
        cell = metric.unit.show_spread(&spread).replace(" [", "<br><small>[") + "</small>";
    }
    if let Some(ratio) = findings.ratio(metric, name) {
        let _ = write!(cell, "<br><b>{}</b>", Unit::Times.show(ratio.median));
    }

    cell
}

/// Charts over experiments that differ by one number.
pub(super) fn sweeps(page: &mut String, findings: &[Findings], names: &[String]) {
    let mut groups: Vec<(&str, Vec<&Findings>)> = Vec::new();
    for one in findings {
        let Some(place) = &one.place else { continue };
        match groups.iter_mut().find(|(group, _)| *group == place.group) {
            Some((_, members)) => members.push(one),
            None => groups.push((&place.group, vec![one])),
        }
    }
    for (group, members) in groups.into_iter().filter(|(_, members)| members.len() > 1) {
        let _ = writeln!(page, "<section><h2>{}</h2><div class=\"charts\">", escape(group));
        for key in SWEPT {
            page.push_str(&sweep(key, &members, names));
        }
        page.push_str("</div></section>\n");
    }
}

fn sweep(key: &str, members: &[&Findings], names: &[String]) -> String {
    let metric = members.iter().flat_map(|one| &one.metrics).find(|metric| metric.key == key);
    let place = members.iter().find_map(|one| one.place.as_ref());
    let Some((metric, place)) = metric.zip(place) else { return String::new() };
    let point = |one: &&Findings, name: &str| {
        let spread = one.spread(metric, name)?;
        Some(Point { x: one.place.as_ref()?.at, y: spread.median, ends: Some(spread.ends()) })
    };
    let series = names.iter().enumerate().filter_map(|(index, name)| {
        let mut points: Vec<_> = members.iter().filter_map(|one| point(one, name)).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let series = Series { name: name.clone(), colour: index % COLOURS, points };
        (!series.points.is_empty()).then_some(series)
    });
    let scale = if metric.key.starts_with("latency") { Scale::Log } else { Scale::Linear };

    Lines {
        title: format!("{} by {}", metric.label.trim(), place.axis),
        x: Axis { label: place.axis.to_owned(), scale: Scale::Linear, unit: Unit::Count },
        y: Axis { label: metric.label.to_owned(), scale, unit: metric.unit },
        series: series.collect(),
    }
    .html()
}

/// Charts of one experiment.
pub(super) fn charts(page: &mut String, findings: &Findings, names: &[String]) {
    page.push_str("<div class=\"charts\">\n");
    for metric in findings.metrics.iter().filter(|metric| BARS.contains(&metric.key)) {
        let bar = |(index, name): (usize, &String)| {
            let spread = findings.spread(metric, name)?;
            Some(Bar { name: name.clone(), colour: index % COLOURS, spread })
        };
        let all: Vec<_> = names.iter().enumerate().filter_map(bar).collect();
        page.push_str(&bars(metric.label.trim(), metric.unit, &all));
    }
    let curve = |(index, name): (usize, &String)| {
        let points = curve(findings.latency(name)?);
        Some(Series { name: name.clone(), colour: index % COLOURS, points })
    };
    let curves = Lines {
        title: "Latency of the packets, from the fastest to the slowest".to_owned(),
        x: Axis {
            label: "percent of the packets that were as fast".to_owned(),
            scale: Scale::Nines,
            unit: Unit::Share,
        },
        y: Axis { label: "latency".to_owned(), scale: Scale::Log, unit: Unit::Us },
        series: names.iter().enumerate().filter_map(curve).collect(),
    };
    page.push_str(&curves.html());
    page.push_str("</div>\n");
}

/// Shares of the packets, evenly by their nines, and what they took at most.
fn curve(latency: &Histogram<u64>) -> Vec<Point> {
    let last = 1.0 - SLOWER_MIN / (latency.len() as f64).max(2.0 * SLOWER_MIN);
    let shares = (0..).map(|n| 1.0 - 10_f64.powf(-f64::from(n) / f64::from(POINTS)));
    let point =
        |share| Point { x: share, y: latency.value_at_quantile(share) as f64 / 1e3, ends: None };

    shares.take_while(|share| *share <= last).map(point).collect()
}
