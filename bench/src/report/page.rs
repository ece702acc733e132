//! Tables as one page that needs nothing else.

use super::Table;
use std::fmt::Write as _;

pub(super) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;\
margin:3rem auto;padding:0 1rem;color:#1b1f24}h1{font-size:1.4rem}\
table{border-collapse:collapse;width:100%}\
td{padding:.35rem .6rem;border-bottom:1px solid #d5dae0}td:last-child{text-align:right;\
font-variant-numeric:tabular-nums}p{color:#57606a}";
/// What pages with tables of many columns need beyond.
const WIDE_STYLE: &str = "body{max-width:64rem}h2{font-size:1.1rem;margin-top:2.5rem}\
div{overflow-x:auto}th,td{text-align:right;white-space:nowrap;padding:.35rem .6rem;\
border-bottom:1px solid #d5dae0;font-variant-numeric:tabular-nums}th:first-child,\
td:first-child{text-align:left}table.facts td:last-child{text-align:left;white-space:normal;\
overflow-wrap:anywhere}svg{width:100%;max-width:40rem;font-size:13px}";

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

/// Text that means itself in HTML.
pub(super) fn escape(text: &str) -> String {
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
    fn page_shows_facts_bars_and_tables_and_loads_nothing() {
        let facts = vec![("kernel".to_owned(), "6 <x>".to_owned())];
        let page = Page { title: "TURN".to_owned(), facts, tables: vec![table()] }.html();

        assert!(page.contains("<td>kernel</td><td>6 &#60;x&#62;</td>"));
        assert!(page.contains("<th>coturn</th>") && page.contains("<td>0.50x</td>"));
        assert!(page.contains(">a&#38;b</text>") && page.contains("width=\"230.0\""));
        assert!(!page.contains("http"));
    }
}
