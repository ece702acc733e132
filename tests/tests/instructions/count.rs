//! Runs the hot functions under callgrind and reads what it counted.

use super::budget::Budget;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `measured` did: a line of the program's.
struct Measurement {
    name: String,
    fanout: u64,
    units: u64,
    instructions: u64,
}

/// Counts instructions of a unit of work, by name.
pub(crate) fn count() -> Budget {
    let directory = Directory::new();
    let dumps = directory.0.join("dump");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=instructions::measured*"])
        .arg("--dump-after=*measured*")
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .arg(env!("CARGO_BIN_EXE_instructions"))
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}; install it (apt-get install valgrind)"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind ended with {}:\n{errors}", output.status);

    let text = String::from_utf8(output.stdout).expect("plain text");
    let (first, lines) = text.split_once('\n').expect("a line that names the processor");
    let mut dump = 0;
    let measurements: Vec<_> = lines.lines().map(|line| read(line, &dumps, &mut dump)).collect();
    let rustc = Command::new("rustc").arg("--version").output().expect("cargo ran by rustc's side");

    Budget {
        rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
        processor: first.to_owned(),
        instructions: units(&measurements),
    }
}

/// Reads a line, and adds up the dumps that it stands for.
fn read(line: &str, dumps: &Path, dump: &mut u64) -> Measurement {
    let words: Vec<_> = line.split(' ').collect();
    let [name, numbers @ ..] = words.as_slice() else { panic!("{line:?}") };
    let numbers: Vec<u64> = numbers.iter().map(|n| n.parse().expect("a number")).collect();
    let [fanout, units, calls] = numbers[..] else { panic!("{line:?}") };
    let next = (*dump + 1)..=(*dump + calls);
    *dump += calls;
    let instructions = next.map(|number| total(&dumps.with_extension(number.to_string()))).sum();

    Measurement { name: (*name).to_owned(), fanout, units, instructions }
}

/// Callgrind's sum of a dump.
fn total(dump: &Path) -> u64 {
    let text = std::fs::read_to_string(dump)
        .unwrap_or_else(|error| panic!("callgrind wrote no {}: {error}", dump.display()));
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));

    totals.and_then(|number| number.trim().parse().ok()).expect("a dump ends with its totals")
}

/// Instructions of one unit of work. Two fan-outs of a name are taken apart: what each subscriber
/// adds, and what is there without any.
fn units(measurements: &[Measurement]) -> BTreeMap<String, u64> {
    let mut units = BTreeMap::new();
    for one in measurements {
        let each = one.instructions / one.units;
        let Some(wide) = measurements.iter().find(|m| m.name == one.name && m.fanout > one.fanout)
        else {
            let narrow = measurements.iter().any(|m| m.name == one.name && m.fanout < one.fanout);
            if !narrow {
                units.insert(one.name.clone(), each);
            }
            continue;
        };
        let forward = (wide.instructions / wide.units - each) / (wide.fanout - one.fanout);
        units.insert(format!("{}_forward", one.name), forward);
        units.insert(format!("{}_receive", one.name), each - one.fanout * forward);
    }

    units
}

/// A directory of this process, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let name = format!("millrace-instructions-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));

        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
