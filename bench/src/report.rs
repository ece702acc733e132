//! A run's figures as a table on the terminal, as JSON, and as one self-contained page.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;\
padding:0 1rem;color:#1b1f24}h1{font-size:1.4rem}table{border-collapse:collapse;width:100%}\
td{padding:.35rem .6rem;border-bottom:1px solid #d5dae0}td:last-child{text-align:right;\
font-variant-numeric:tabular-nums}p{color:#57606a}";
/// What pages with tables of many columns need beyond.
const WIDE_STYLE: &str = "body{max-width:64rem}h2{font-size:1.1rem;margin-top:2.5rem}\
div{overflow-x:auto}th,td{text-align:right;white-space:nowrap;padding:.35rem .6rem;\
border-bottom:1px solid #d5dae0;font-variant-numeric:tabular-nums}th:first-child,\
td:first-child{text-align:left}table.facts td:last-child{text-align:left;white-space:normal;\
overflow-wrap:anywhere}svg{width:100%;max-width:40rem;font-size:13px}";

/// What a run has to show.
pub(crate) struct Report {
    /// What was measured, in one line.
    pub(crate) title: String,
    /// Name and value with its unit, in the order of reading.
    pub(crate) rows: Vec<(String, String)>,
    /// What the reader must know to trust the figures.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// The table for a terminal.
    pub(crate) fn text(&self) -> String {
        let width = |cells: fn(&(String, String)) -> &String| {
            self.rows.iter().map(|row| cells(row).chars().count()).max().unwrap_or(0)
        };
        let (names, values) = (width(|row| &row.0), width(|row| &row.1));
        let mut text = format!("{}\n", self.title);
        for (name, value) in &self.rows {
            text.push_str(&format!("  {name:<names$}  {value:>values$}\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("Note: {note}\n"));
        }

        text
    }

    /// The same table as a page that needs nothing else.
    pub(crate) fn html(&self) -> String {
        let title = escape(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n\
             <style>{STYLE}</style>\n<h1>{title}</h1>\n<table>\n"
        );
        for (name, value) in &self.rows {
            let (name, value) = (escape(name), escape(value));
            page.push_str(&format!("<tr><td>{name}</td><td>{value}</td></tr>\n"));
        }
        page.push_str("</table>\n");
        for note in &self.notes {
            page.push_str(&format!("<p>{}</p>\n", escape(note)));
        }

        page
    }
}

/// Figures of several servers side by side.
pub(crate) struct Table {
    /// What was measured, in one line.
    pub(crate) title: String,
    /// Names of the columns; the first is that of the rows' names.
    pub(crate) header: Vec<String>,
    /// As many cells in each as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
    /// A figure to draw: what it is, and by name.
    pub(crate) bars: Option<(String, Vec<(String, f64)>)>,
    /// What the reader must know to trust the figures.
    pub(crate) notes: Vec<String>,
}

impl Table {
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

    fn html(&self, page: &mut String) {
        page.push_str(&format!("<h2>{}</h2>\n", escape(&self.title)));
        if let Some((name, bars)) = &self.bars {
            page.push_str(&svg(name, bars));
        }
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
        for note in &self.notes {
            page.push_str(&format!("<p>{}</p>\n", escape(note)));
        }
    }
}

/// Several tables, and what they were made with.
pub(crate) struct Page {
    /// What all of it is about.
    pub(crate) title: String,
    /// The machine and the command: name and value.
    pub(crate) facts: Vec<(String, String)>,
    /// What was found.
    pub(crate) tables: Vec<Table>,
}

impl Page {
    /// A page that needs nothing else.
    pub(crate) fn html(&self) -> String {
        let title = escape(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}{WIDE_STYLE}</style>\n<h1>{title}</h1>\n<table class=\"facts\">\n"
        );
        for (name, value) in &self.facts {
            let (name, value) = (escape(name), escape(value));
            page.push_str(&format!("<tr><td>{name}</td><td>{value}</td></tr>\n"));
        }
        page.push_str("</table>\n");
        self.tables.iter().for_each(|table| table.html(&mut page));

        page
    }
}

/// Horizontal bars, the longest over the whole width.
fn svg(name: &str, bars: &[(String, f64)]) -> String {
    const LINE: usize = 24;
    const LEFT: f64 = 90.0;
    const WIDTH: f64 = 460.0;
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let height = (bars.len() + 1) * LINE;
    let mut svg = format!(
        "<svg viewBox=\"0 0 640 {height}\" role=\"img\"><text x=\"0\" y=\"16\">{}</text>\n",
        escape(name)
    );
    for (index, (label, value)) in bars.iter().enumerate() {
        let (top, length) = ((index + 1) * LINE, WIDTH * value / longest);
        let (base, end) = (top + 14, LEFT + length + 6.0);
        let color = if index == 0 { "#0a7d4f" } else { "#8c959f" };
        svg.push_str(&format!(
            "<text x=\"0\" y=\"{base}\">{}</text><rect x=\"{LEFT}\" y=\"{top}\" \
             width=\"{length:.1}\" height=\"18\" fill=\"{color}\"/>\
             <text x=\"{end:.1}\" y=\"{base}\">{value:.2}</text>\n",
            escape(label)
        ));
    }
    svg.push_str("</svg>\n");

    svg
}

/// Writes figures as JSON, pretty-printed.
pub(crate) fn write_json(path: &Path, figures: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    write(path, &text)
}

/// Writes a text file, or says which one it could not.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '"' => {
                write!(escaped, "&#{};", u32::from(character)).expect("a string takes any text");
            }
            _ => escaped.push(character),
        }
    }

    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            title: "a <b> & c".to_owned(),
            rows: vec![
                ("loss".to_owned(), "0 %".to_owned()),
                ("latency p50".to_owned(), "1,200 us".to_owned()),
            ],
            notes: vec!["busy".to_owned()],
        }
    }

    #[test]
    fn table_is_aligned() {
        let expected = "a <b> & c\n  loss              0 %\n  latency p50  1,200 us\nNote: busy\n";
        assert_eq!(report().text(), expected);
    }

    #[test]
    fn page_escapes_what_it_shows_and_loads_nothing() {
        let page = report().html();

        assert!(page.contains("<h1>a &#60;b&#62; &#38; c</h1>"));
        assert!(page.contains("<td>latency p50</td><td>1,200 us</td>"));
        assert!(!page.contains("http"));
    }

    fn table() -> Table {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Table {
            title: "up <1>".to_owned(),
            header: cells(&["", "millrace", "coturn", "ratio"]),
            rows: vec![cells(&["CPU", "1 us", "2 us", "0.50x"]), cells(&["lost", "0", "0", ""])],
            bars: Some(("CPU".to_owned(), vec![("a&b".to_owned(), 1.0), ("c".to_owned(), 2.0)])),
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

    #[test]
    fn page_shows_facts_bars_and_tables_and_loads_nothing() {
        let facts = vec![("kernel".to_owned(), "6 <x>".to_owned())];
        let page = Page { title: "TURN".to_owned(), facts, tables: vec![table()] }.html();

        assert!(page.contains("<td>kernel</td><td>6 &#60;x&#62;</td>"));
        assert!(page.contains("<th>coturn</th>") && page.contains("<td>0.50x</td>"));
        assert!(page.contains(">a&#38;b</text>") && page.contains("width=\"230.0\""));
        assert!(!page.contains("http"));
    }
}
