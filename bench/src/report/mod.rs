//! Figures for people: tables on the terminal, JSON, and one self-contained page.

mod chart;
mod circumstances;
mod page;
mod sections;
mod table;

pub(crate) use circumstances::Circumstances;
pub(crate) use table::Table;

use crate::figures::Findings;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Version of what is in JSON: it grows when something changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Where figures are written beside the terminal.
#[derive(clap::Args)]
pub(crate) struct Output {
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the tables as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Output {
    /// The same, with files where none are named.
    pub(crate) fn or(&self, json: &str, html: &str) -> Self {
        Self {
            json: Some(self.json.clone().unwrap_or_else(|| json.into())),
            html: Some(self.html.clone().unwrap_or_else(|| html.into())),
        }
    }

    /// An error if a file cannot be written: better now than after the run.
    pub(crate) fn check(&self) -> Result<()> {
        for path in self.json.iter().chain(&self.html) {
            let file = fs::OpenOptions::new().append(true).create(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))?;
        }

        Ok(())
    }

    /// Shows findings, and writes them where they are wanted.
    pub(crate) fn show(
        &self,
        title: &str,
        findings: &[Findings],
        circumstances: &Circumstances,
    ) -> Result<()> {
        for one in findings {
            println!("{}", Table::of(one).text());
        }
        if let Some(path) = &self.json {
            let experiments: Vec<_> = findings.iter().map(Findings::json).collect();
            let all = serde_json::json!({
                "schema": SCHEMA,
                "title": title,
                "circumstances": circumstances,
                "experiments": experiments,
            });
            write_json(path, &all)?;
        }
        if let Some(path) = &self.html {
            write(path, &page::html(title, findings, circumstances))?;
            eprintln!("report: {}", path.display());
        }

        Ok(())
    }
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
