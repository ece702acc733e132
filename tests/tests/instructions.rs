//! The packet path's instructions, counted by callgrind and held against a committed budget: unlike
//! times, counts do not vary with the machine's load.
//!
//! `MILLRACE_BUDGET=write cargo test --workspace --locked --test instructions` writes the budget.

#[path = "instructions/budget.rs"]
mod budget;
#[path = "instructions/count.rs"]
mod count;

use budget::{Budget, Verdict};

const WRITE: &str = "MILLRACE_BUDGET=write cargo test --workspace --locked --test instructions";

#[test]
fn the_packet_path_stays_within_its_budget() {
    let counted = count::count();
    if std::env::var("MILLRACE_BUDGET").is_ok_and(|wish| wish == "write") {
        return counted.write();
    }

    let budget = Budget::read();
    let (tolerance, note) = budget.tolerance(&counted);
    let table = budget.table(&counted);
    println!("{note}{table}");
    let wrong = budget.compare(&counted, tolerance);

    assert!(
        wrong.is_empty(),
        "{note}{table}\n{}\n\nIf that is meant, `{WRITE}` and say why in the commit.",
        wrong.iter().map(Verdict::to_string).collect::<Vec<_>>().join("\n"),
    );
}
