//! Everything that was found as one page that needs nothing else.

use super::sections;
use super::{Circumstances, Table};
use crate::figures::Findings;
use std::fmt::Write as _;

/// Colours for light and dark; text and lines of charts take them too.
const STYLE: &str = include_str!("page.css");
/// Experiments from which tables are folded.
const MANY: usize = 3;

/// The page.
pub(super) fn html(title: &str, findings: &[Findings], circumstances: &Circumstances) -> String {
    let names = sections::names(findings);
    let mut page = begin(title);
    let _ = writeln!(page, "<p class=\"meta\">{}</p>", escape(&circumstances.in_short()));
    page.push_str(
        "<p>A figure is the median of its repetitions, with its spread in brackets: the least and \
         the most, of five repetitions or more the quartiles. Ratios are ours by theirs, each of \
         two measurements that stood beside each other; below 1 ours spends less.</p>\n",
    );
    if findings.len() > 1 {
        sections::glance(&mut page, findings);
    }
    sections::sweeps(&mut page, findings, &names);
    for one in findings {
        let _ = writeln!(page, "<section><h2>{}</h2>", escape(&one.title));
        sections::charts(&mut page, one, &names);
        let open = if findings.len() < MANY { " open" } else { "" };
        let _ = writeln!(page, "<details{open}><summary>All figures</summary>");
        Table::of(one).html(&mut page);
        page.push_str("</details>\n");
        for note in one.notes() {
            let _ = writeln!(page, "<p class=\"note\">{}</p>", escape(&note));
        }
        page.push_str("</section>\n");
    }
    page.push_str("<section><h2>Machine and commands</h2>\n<table class=\"facts\">\n");
    for (name, value) in circumstances.facts() {
        let _ = writeln!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(&name), escape(&value));
    }
    page.push_str("</table>\n<pre>");
    for command in circumstances.commands() {
        let _ = writeln!(page, "{}", escape(command));
    }

    page + "</pre></section>\n</main>\n"
}

/// A page's first lines.
pub(super) fn begin(title: &str) -> String {
    let title = escape(title);

    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n<main>\n<h1>{title}</h1>\n"
    )
}

/// Text that means itself in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '"' => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }

    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Metric, Place, Sample, Unit};
    use hdrhistogram::Histogram;

    static CPU: Metric = Metric::compared("cpu_us_per_packet", "CPU per packet", Unit::Us);

    fn findings(rate: f64) -> Findings {
        let names = ["millrace", "a&b"].map(str::to_owned).to_vec();
        let mut findings = Findings::new(format!("up <{rate}>"), names);
        let place = |at| Place { group: "up".to_owned(), axis: "packets a second", at };
        findings.place = Some(place(rate));
        for (subject, cpu) in [("millrace", 2.0), ("a&b", 4.0)] {
            let mut latency = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
            (1..1_000).for_each(|n| latency.record(n * 1_000).unwrap());
            let notes = vec!["<busy>".to_owned()];
            let sample = Sample { values: vec![(&CPU, cpu)], latency: Some(latency), notes };
            findings.add(subject, 0, sample);
        }
        findings
    }

    #[test]
    fn page_shows_all_of_it_escaped_and_loads_nothing() {
        let circumstances = Circumstances::read(1, 1, vec![("peer".to_owned(), "<1>".to_owned())]);
        let all = [findings(1_000.0), findings(2_000.0), findings(3_000.0)];

        let page = html("TURN", &all, &circumstances);

        assert!(page.contains("<td>peer</td><td>&#60;1&#62;</td>"));
        assert!(page.contains("up &#60;1000&#62;") && page.contains("a&#38;b: &#60;busy&#62;"));
        assert!(page.contains("0.50x"));
        // Three experiments with bars and curves, and the sweep over them.
        assert_eq!(page.matches("<figure>").count(), 7);
        assert!(!page.contains("http"));
        assert!(!page.contains("NaN"));
    }
}
