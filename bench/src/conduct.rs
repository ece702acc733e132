//! Measuring several servers in turns: who is next, how long it takes still, and what came of it.

use crate::figures::{Findings, Place, Sample};
use crate::interrupt;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// One thing to measure on several servers.
pub(crate) trait Experiment {
    /// What is measured, in one line.
    fn title(&self) -> String;
    /// Names of the servers; the first is the one that the others are compared with.
    fn subjects(&self) -> Vec<String>;
    /// About how long one measurement takes, with the server's start.
    fn duration(&self) -> Duration;
    /// How often it is repeated.
    fn repeat(&self) -> u32;
    /// Where it stands among others that differ by one number.
    fn place(&self) -> Option<Place>;
    /// Starts a server, measures it and ends it. What was measured until an error comes with it.
    fn measure(&self, subject: usize) -> (Sample, Result<()>);
}

/// What a server that fails does to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The run ends with the error.
    Ends,
    /// It is noted, and the run goes on without that server in that experiment.
    IsNoted,
}

/// Measures everything as often as it wants to be, the servers of each experiment in turns and in
/// the other order every second time. What was found until an error comes with it.
pub(crate) fn conduct(
    experiments: &[Box<dyn Experiment>],
    failure: Failure,
) -> (Vec<Findings>, Result<()>) {
    let mut all = Vec::new();
    let mut clock = Clock::new(experiments);
    let result = experiments.iter().enumerate().try_for_each(|(index, experiment)| {
        let title = experiment.title();
        eprintln!("[{}/{}] {title}{}", index + 1, experiments.len(), clock.left());
        let mut findings = Findings::new(title, experiment.subjects());
        findings.place = experiment.place();
        let result = repeat_one(experiment.as_ref(), failure, &mut clock, &mut findings);
        if !findings.is_empty() || !findings.notes().is_empty() {
            all.push(findings);
        }
        result
    });

    (all, result)
}

fn repeat_one(
    experiment: &dyn Experiment,
    failure: Failure,
    clock: &mut Clock,
    findings: &mut Findings,
) -> Result<()> {
    let (names, repeat) = (experiment.subjects(), experiment.repeat());
    let mut failed = vec![false; names.len()];
    for repetition in 0..repeat {
        let mut order: Vec<_> = (0..names.len()).collect();
        if repetition % 2 == 1 {
            order.reverse();
        }
        for index in order {
            clock.did(experiment);
            if failed[index] {
                continue;
            }
            interrupt::check()?;
            let name = &names[index];
            let (sample, result) = experiment.measure(index);
            if !sample.values.is_empty() {
                eprintln!("  {}/{repeat} {name}: {}", repetition + 1, sample.summary());
            }
            findings.add(name, repetition, sample);
            match result {
                Err(error) if failure == Failure::IsNoted && !interrupt::is_noted() => {
                    eprintln!("  {}/{repeat} {name}: {error:#}", repetition + 1);
                    findings.fail(name, &error);
                    failed[index] = true;
                }
                result => result.with_context(|| name.clone())?,
            }
        }
    }

    Ok(())
}

/// How much of the work is done, by what it was expected to take.
struct Clock {
    began: Instant,
    total: Duration,
    done: Duration,
}

impl Clock {
    fn new(experiments: &[Box<dyn Experiment>]) -> Self {
        let total =
            experiments.iter().map(|e| e.duration() * e.subjects().len() as u32 * e.repeat()).sum();

        Self { began: Instant::now(), total, done: Duration::ZERO }
    }

    fn did(&mut self, experiment: &dyn Experiment) {
        self.done += experiment.duration();
    }

    /// What is left, at the pace until now.
    fn left(&self) -> String {
        let pace = if self.done.is_zero() {
            1.0
        } else {
            self.began.elapsed().as_secs_f64() / self.done.as_secs_f64()
        };
        let left = self.total.saturating_sub(self.done).mul_f64(pace).as_secs();
        match left {
            0..60 => format!(" ({left} s left)"),
            _ => format!(" ({} min left)", left.div_ceil(60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Metric, Unit};
    use anyhow::bail;
    use std::cell::RefCell;

    static CPU: Metric = Metric::compared("cpu", "CPU", Unit::Us);

    /// Servers that say their turn; `bad` fails.
    struct Turns {
        bad: Option<usize>,
        repeat: u32,
        turns: RefCell<Vec<usize>>,
    }

    impl Experiment for &'static Turns {
        fn title(&self) -> String {
            "turns".to_owned()
        }

        fn subjects(&self) -> Vec<String> {
            ["a", "b"].map(str::to_owned).to_vec()
        }

        fn duration(&self) -> Duration {
            Duration::from_secs(70)
        }

        fn repeat(&self) -> u32 {
            self.repeat
        }

        fn place(&self) -> Option<Place> {
            None
        }

        fn measure(&self, subject: usize) -> (Sample, Result<()>) {
            self.turns.borrow_mut().push(subject);
            let mut sample = Sample::default();
            sample.push(&CPU, 1.0);
            let fail = || bail!("broken");
            let result = if self.bad == Some(subject) { fail() } else { Ok(()) };

            (sample, result)
        }
    }

    fn run(bad: Option<usize>, failure: Failure) -> (Vec<usize>, Vec<Findings>, Result<()>) {
        let turns: &'static Turns =
            Box::leak(Box::new(Turns { bad, repeat: 3, turns: RefCell::new(Vec::new()) }));
        let (findings, result) = conduct(&[Box::new(turns)], failure);
        let order = turns.turns.borrow().clone();

        (order, findings, result)
    }

    #[test]
    fn servers_take_turns_in_the_other_order_every_second_time() {
        let (order, findings, result) = run(None, Failure::Ends);

        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!(findings[0].spread(&CPU, "b").unwrap().samples.len(), 3);
        assert!(result.is_ok());
    }

    #[test]
    fn failure_of_one_ends_the_run_or_only_its_own_turns() {
        let (order, findings, result) = run(Some(1), Failure::Ends);
        assert_eq!((order, findings.len()), (vec![0, 1], 1));
        assert_eq!(format!("{:#}", result.unwrap_err()), "b: broken");

        let (order, findings, result) = run(Some(1), Failure::IsNoted);
        assert_eq!(order, [0, 1, 0, 0]);
        assert_eq!(findings[0].notes(), ["b: failed: broken"]);
        assert!(result.is_ok());
    }

    #[test]
    fn time_left_is_told_in_minutes_and_seconds() {
        let turns: &'static Turns =
            Box::leak(Box::new(Turns { bad: None, repeat: 1, turns: RefCell::new(Vec::new()) }));
        let experiments: [Box<dyn Experiment>; 1] = [Box::new(turns)];
        let mut clock = Clock::new(&experiments);

        assert_eq!(clock.left(), " (3 min left)");
        clock.did(&turns);
        clock.did(&turns);
        assert_eq!(clock.left(), " (0 s left)");
    }
}
