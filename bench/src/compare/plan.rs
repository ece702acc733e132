//! What `compare` measures: command lines of the other subcommands, as a person would give them.

use clap::ValueEnum;

/// A part of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Relaying for TURN's clients.
    Turn,
    /// Forwarding in rooms.
    Room,
}

/// Loads of a whole run. Those with a `--repeat` of their own take long, and vary little.
const WHOLE: [(Part, &str); 14] = [
    (Part::Turn, "--direction up --size 1200 --rate 25000,50000,100000"),
    (Part::Turn, "--direction up --size 1200 --burst 8 --rate 50000"),
    (Part::Turn, "--direction up --size 172 --rate 50000"),
    (Part::Turn, "--direction c2c --size 1200 --burst 1,8 --rate 25000"),
    (Part::Turn, "--direction up --size 1200 --saturate --repeat 1"),
    (Part::Turn, "--direction up --size 1000 --offload --inject"),
    (Part::Turn, "--direction up --size 1000 --offload --rate 5000"),
    (Part::Turn, "--direction up --size 1000 --offload --burst 8 --rate 50000"),
    (Part::Turn, "--allocations 5000 --flood 6000"),
    (Part::Room, "--scenario webinar --subscribers 10"),
    (Part::Room, "--scenario webinar --subscribers 40"),
    (Part::Room, "--scenario webinar --subscribers 100"),
    (Part::Room, "--scenario audio --subscribers 100"),
    (Part::Room, "--scenario meeting --subscribers 8"),
];
/// Loads of a quick run: one of each kind.
const QUICK: [(Part, &str); 5] = [
    (Part::Turn, "--direction up --size 1200 --rate 5000,10000"),
    (Part::Turn, "--direction c2c --size 1200 --burst 8 --rate 5000"),
    (Part::Turn, "--direction up --size 1000 --offload --inject"),
    (Part::Turn, "--allocations 500 --flood 600"),
    (Part::Room, "--scenario webinar --subscribers 5"),
];

/// Command lines without the program's name, for peers by the names of their adapters; `options`
/// are those of all lines. Loopback has no cards.
pub(super) fn lines(
    is_quick: bool,
    only: Option<Part>,
    has_cards: bool,
    peers: impl Fn(Part) -> Vec<String>,
    options: &[(&str, String)],
) -> Vec<Vec<String>> {
    let loads = if is_quick { &QUICK[..] } else { &WHOLE[..] };
    let chosen = loads
        .iter()
        .filter(|(part, _)| only.is_none_or(|only| only == *part))
        // XDP takes cards.
        .filter(|(_, load)| has_cards || !load.contains("--offload"));

    chosen.map(|(part, load)| line(*part, load, &peers(*part), options)).collect()
}

fn line(part: Part, load: &str, peers: &[String], options: &[(&str, String)]) -> Vec<String> {
    let part = match part {
        Part::Turn => "turn",
        Part::Room => "room",
    };
    let mut line: Vec<_> = format!("{part} {load}").split(' ').map(str::to_owned).collect();
    if !peers.is_empty() {
        line.extend(["--compare".to_owned(), peers.join(",")]);
    }
    for (name, value) in options {
        if !line.iter().any(|word| word == name) || REPEATABLE.contains(name) {
            line.extend([(*name).to_owned(), value.clone()]);
        }
    }

    line
}

/// Options that may stand on a line more than once.
const REPEATABLE: [&str; 2] = ["--set", "--adapter"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_a_person_would_give() {
        let peers = |_| vec!["coturn".to_owned(), "other".to_owned()];
        let options = [("--repeat", "3"), ("--set", "a=b"), ("--set", "c=d")];
        let options = options.map(|(name, value)| (name, value.to_owned()));

        let lines = lines(false, Some(Part::Turn), false, peers, &options);

        assert_eq!(lines.len(), 6);
        assert_eq!(super::lines(false, Some(Part::Turn), true, peers, &options).len(), 9);
        let saturation = lines[4].join(" ");
        assert_eq!(
            saturation,
            "turn --direction up --size 1200 --saturate --repeat 1 --compare coturn,other \
             --set a=b --set c=d"
        );
    }
}
