//! The last lines that a child process wrote.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Lines that are kept.
const LINES: usize = 20;

/// What a child wrote last, and whether it has written what was waited for.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    last: VecDeque<String>,
    wanted: Option<String>,
    is_found: bool,
}

impl Log {
    /// Reads whatever a child's outputs that are pipes give until it ends, and looks for a line
    /// with `wanted` in it.
    pub(crate) fn of(child: &mut Child, wanted: Option<String>) -> Self {
        let log = Self(Arc::new(Mutex::new(Lines { wanted, ..Lines::default() })));
        child.stdout.take().into_iter().for_each(|pipe| log.read(pipe));
        child.stderr.take().into_iter().for_each(|pipe| log.read(pipe));

        log
    }

    /// Its last lines, each with two blanks before.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        lines.last.iter().map(|line| format!("  {line}\n")).collect()
    }

    /// Whether the wanted text came.
    pub(crate) fn is_found(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_found
    }

    fn read(&self, pipe: impl Read + Send + 'static) {
        let log = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
                lines.is_found |= lines.wanted.as_ref().is_some_and(|text| line.contains(text));
                if lines.last.len() == LINES {
                    lines.last.pop_front();
                }
                lines.last.push_back(line);
            }
        });
    }
}
