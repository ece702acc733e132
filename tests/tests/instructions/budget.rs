//! The committed budget, and what it says to a count.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions/budget.toml");
const HEAD: &str = "\
# Instructions of one unit of work on the packet path, in the dev profile. `*_forward` is one more
# subscriber to whom a packet goes, `*_receive` what the packet costs before that. Checked, and
# rewritten, by tests/tests/instructions.rs.
";
/// How far a count may be above its budget where compiler and processor are the budget's.
const TOLERANCE: f64 = 0.03;
/// The same where they are others: what is as far off as this is no matter of the compiler.
const TOLERANCE_ELSEWHERE: f64 = 0.25;
/// How far a count may be below: an improvement is to be kept.
const BELOW: f64 = 0.10;

/// Counts, and what they depend on besides the source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Budget {
    /// `rustc --version`.
    pub(crate) rustc: String,
    /// What the libraries for cryptography choose their code by.
    pub(crate) processor: String,
    /// Instructions by name.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// What is wrong with one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It got more expensive.
    Over { name: String, count: u64, budget: u64 },
    /// It got cheaper, and is to stay so.
    Under { name: String, count: u64, budget: u64 },
    /// There is no such line in the budget.
    Unbudgeted { name: String, count: u64 },
    /// There is a line in the budget, and nothing was counted for it.
    Uncounted { name: String },
}

impl Budget {
    /// The committed one.
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));

        Self::parse(&text).unwrap_or_else(|error| panic!("{FILE}: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let word = |key: &str| table.get(key).and_then(|value| value.as_str());
        let (rustc, processor) =
            word("rustc").zip(word("processor")).ok_or("no rustc, processor")?;
        let counts = table.get("instructions").and_then(|value| value.as_table());
        let count = |(name, value): (&String, &toml::Value)| {
            let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
            Ok((name.clone(), count.ok_or(format!("{name} is not a count"))?))
        };
        let instructions: Result<_, String> =
            counts.ok_or("no table `instructions`")?.iter().map(count).collect();

        Ok(Self {
            rustc: rustc.to_owned(),
            processor: processor.to_owned(),
            instructions: instructions?,
        })
    }

    /// Makes these counts the budget.
    pub(crate) fn write(&self) {
        let mut text = HEAD.to_owned();
        let Self { rustc, processor, instructions } = self;
        let _ = writeln!(text, "rustc = {rustc:?}\nprocessor = {processor:?}\n\n[instructions]");
        for (name, count) in instructions {
            let _ = writeln!(text, "{name} = {count}");
        }
        std::fs::write(FILE, text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    }

    /// How far counts may be above this budget, and what is to be said about that.
    pub(crate) fn tolerance(&self, counted: &Self) -> (f64, String) {
        let pairs = [(&self.rustc, &counted.rustc), (&self.processor, &counted.processor)];
        let mut note = String::new();
        for (ours, theirs) in pairs.into_iter().filter(|(ours, theirs)| ours != theirs) {
            let _ = writeln!(note, "the budget is of `{ours}`, and this is `{theirs}`:");
        }
        if note.is_empty() {
            return (TOLERANCE, note);
        }
        let percent = TOLERANCE_ELSEWHERE * 100.0;
        let _ = writeln!(note, "counts are allowed to be {percent:.0} % off.");

        (TOLERANCE_ELSEWHERE, note)
    }

    /// What is not as budgeted.
    pub(crate) fn compare(&self, counted: &Self, tolerance: f64) -> Vec<Verdict> {
        let below = BELOW.max(tolerance);
        let one = |(name, &count): (&String, &u64)| {
            let name = name.clone();
            let Some(&budget) = self.instructions.get(&name) else {
                return Some(Verdict::Unbudgeted { name, count });
            };
            let ratio = count as f64 / budget.max(1) as f64;
            if ratio > 1.0 + tolerance {
                return Some(Verdict::Over { name, count, budget });
            }
            (ratio < 1.0 - below).then_some(Verdict::Under { name, count, budget })
        };
        let missing = self.instructions.keys().filter(|n| !counted.instructions.contains_key(*n));
        let missing = missing.map(|name| Verdict::Uncounted { name: name.clone() });

        counted.instructions.iter().filter_map(one).chain(missing).collect()
    }

    /// Counts beside budgets, for people.
    pub(crate) fn table(&self, counted: &Self) -> String {
        let mut table = format!("{:<32}{:>14}{:>10}", "function", "instructions", "budget");
        for (name, count) in &counted.instructions {
            let budget = self.instructions.get(name).map_or("-".to_owned(), u64::to_string);
            let _ = write!(table, "\n{name:<32}{count:>14}{budget:>10}");
        }

        table
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: u64, budget: u64| 100.0 * count as f64 / budget as f64 - 100.0;
        match self {
            Self::Over { name, count, budget } => {
                let over = percent(*count, *budget);
                write!(f, "{name} takes {count} instructions, {over:.1} % over its budget {budget}")
            }
            Self::Under { name, count, budget } => {
                let under = -percent(*count, *budget);
                write!(
                    f,
                    "{name} takes {count} instructions, {under:.1} % under {budget}: lower it"
                )
            }
            Self::Unbudgeted { name, count } => {
                write!(f, "{name} takes {count} instructions and has no budget")
            }
            Self::Uncounted { name } => write!(f, "{name} has a budget and was not counted"),
        }
    }
}

fn of(count: u64) -> Budget {
    let instructions = BTreeMap::from([("forward".to_owned(), count)]);

    Budget { rustc: "rustc 1".into(), processor: "x86_64".into(), instructions }
}

#[test]
fn more_than_the_tolerance_over_budget_is_told_with_function_count_and_budget() {
    let verdicts = of(1000).compare(&of(1031), TOLERANCE);

    let told = "forward takes 1031 instructions, 3.1 % over its budget 1000";
    assert_eq!(verdicts.iter().map(Verdict::to_string).collect::<Vec<_>>(), [told]);
    assert_eq!(of(1000).compare(&of(1030), TOLERANCE), []);
}

#[test]
fn well_under_budget_is_told_to_be_lowered() {
    let verdicts = of(1000).compare(&of(899), TOLERANCE);

    assert!(verdicts[0].to_string().ends_with("10.1 % under 1000: lower it"), "{verdicts:?}");
    assert_eq!(of(1000).compare(&of(900), TOLERANCE), []);
}

#[test]
fn functions_that_only_one_side_knows_are_told() {
    let other = Budget { instructions: [("parse".to_owned(), 7)].into(), ..of(1) };

    assert_eq!(
        of(1).compare(&other, TOLERANCE),
        [
            Verdict::Unbudgeted { name: "parse".into(), count: 7 },
            Verdict::Uncounted { name: "forward".into() },
        ]
    );
}

#[test]
fn another_compiler_is_told_and_gets_a_wider_tolerance() {
    let other = Budget { rustc: "rustc 2".into(), ..of(1200) };
    let (tolerance, note) = of(1000).tolerance(&other);

    assert!(note.contains("the budget is of `rustc 1`, and this is `rustc 2`"), "{note}");
    assert_eq!(of(1000).compare(&other, tolerance), []);
    assert_eq!(of(900).compare(&other, tolerance).len(), 1);
    assert_eq!(of(1000).tolerance(&of(1)), (TOLERANCE, String::new()));
}

#[test]
fn a_broken_budget_is_told() {
    for text in [
        "rustc = 1",
        "rustc = \"r\"\nprocessor = \"p\"",
        "=",
        "rustc = \"r\"\nprocessor = \"p\"\n[instructions]\nforward = -1",
    ] {
        assert!(Budget::parse(text).is_err(), "{text}");
    }
}
