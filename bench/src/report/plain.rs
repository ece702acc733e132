//! One run's figures in one column.

use super::page::{begin, escape};

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
        let mut page = begin(&self.title);
        page.push_str("<table class=\"plain\">\n");
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
}
