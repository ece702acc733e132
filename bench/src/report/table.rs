//! Figures of several servers side by side, as text and as HTML.

use super::page::escape;
use crate::figures::{Findings, Metric, Unit};

/// Figures of several servers side by side.
pub(crate) struct Table {
    /// What was measured, in one line.
    pub(crate) title: String,
    /// Names of the columns; the first is that of the rows' names.
    pub(crate) header: Vec<String>,
    /// As many cells in each as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
    /// What the reader must know to trust the figures.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// A column for each server, and behind all but the first the first one's figure by its.
    pub(crate) fn of(findings: &Findings) -> Self {
        let mut header = vec![String::new()];
        for (index, subject) in findings.subjects.iter().enumerate() {
            header.push(subject.clone());
            if index > 0 {
                header.push(format!("{}/{subject}", findings.subjects[0]));
            }
        }

        Self {
            title: findings.title.clone(),
            header,
            rows: findings.metrics.iter().map(|metric| row(findings, metric)).collect(),
            notes: findings.notes(),
        }
    }

    /// The table for a terminal.
    pub(crate) fn text(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<_> = (0..self.header.len()).map(|c| width(c).unwrap_or(0)).collect();
        let mut text = format!("{}\n", self.title);
        for line in lines() {
            let mut row = String::from(" ");
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => row.push_str(&format!(" {cell:<width$}")),
                    _ => row.push_str(&format!("  {cell:>width$}")),
                }
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("Note: {note}\n"));
        }

        text
    }

    pub(super) fn html(&self, page: &mut String) {
        page.push_str("<div><table>\n");
        for (index, line) in std::iter::once(&self.header).chain(&self.rows).enumerate() {
            let tag = if index == 0 { "th" } else { "td" };
            page.push_str("<tr>");
            for cell in line {
                page.push_str(&format!("<{tag}>{}</{tag}>", escape(cell)));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
    }
}

/// A figure of all servers.
fn row(findings: &Findings, metric: &Metric) -> Vec<String> {
    let mut row = vec![metric.label.to_owned()];
    for (index, subject) in findings.subjects.iter().enumerate() {
        let spread = findings.spread(metric, subject);
        let text = spread.map(|spread| match metric.compared && spread.varies() {
            true => metric.unit.show_spread(&spread),
            false => metric.unit.show(spread.median),
        });
        row.push(text.unwrap_or_else(|| "-".to_owned()));
        if index > 0 {
            let ratio = findings.ratio(metric, subject);
            row.push(ratio.map_or_else(String::new, |ratio| Unit::Times.show(ratio.median)));
        }
    }

    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Sample;

    fn table() -> Table {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Table {
            title: "up <1>".to_owned(),
            header: cells(&["", "millrace", "coturn", "ratio"]),
            rows: vec![cells(&["CPU", "1 us", "2 us", "0.50x"]), cells(&["lost", "0", "0", ""])],
            notes: vec!["busy".to_owned()],
        }
    }

    #[test]
    fn table_of_many_columns_is_aligned() {
        let lines = [
            "up <1>",
            "        millrace  coturn  ratio",
            "  CPU       1 us    2 us  0.50x",
            "  lost         0       0",
            "Note: busy\n",
        ];
        let expected = lines.join("\n");
        assert_eq!(table().text(), expected);
    }

    static CPU: Metric = Metric::compared("cpu", "CPU per packet", Unit::Us);
    static LOST: Metric = Metric::plain("lost", "lost", Unit::Count);

    #[test]
    fn table_has_a_ratio_behind_each_server_but_the_first() {
        let mut findings = Findings::new("up".to_owned(), vec!["we".to_owned(), "they".to_owned()]);
        for (subject, repetition, cpu) in [("we", 0, 2.0), ("they", 0, 4.0), ("they", 1, 4.0)] {
            let values = vec![(&CPU, cpu), (&LOST, 0.0)];
            findings.add(subject, repetition, Sample { values, ..Sample::default() });
        }

        let table = Table::of(&findings);

        assert_eq!(table.header, ["", "we", "they", "we/they"]);
        assert_eq!(table.rows[0], ["CPU per packet", "2.00 us", "4.00 us", "0.50x"]);
        assert_eq!(table.rows[1], ["lost", "0", "0", ""]);
    }
}
