//! Processor time of a process, from procfs.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// Length of the clock ticks in which Linux tells user and system time (`USER_HZ` is 100).
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CpuTime {
    /// All of it, to the nanosecond where the kernel tells.
    pub(crate) total: Duration,
    /// In user mode, to the tick.
    user: Duration,
    /// In the kernel, to the tick.
    system: Duration,
}

impl CpuTime {
    /// Reads what a process has used until now.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("cannot read the processor time of process {pid}"))?;
        let (user, system) = parse_stat(&stat)
            .with_context(|| format!("/proc/{pid}/stat is not as Linux writes it"))?;
        let total = total_of_tasks(pid).unwrap_or(user + system);

        Ok(Self { total, user, system })
    }

    /// What was used since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// The total, divided between user and system as the ticks are.
    pub(crate) fn split(self) -> (Duration, Duration) {
        let ticks = self.user + self.system;
        if ticks.is_zero() {
            return (self.total, Duration::ZERO);
        }
        let user = self.total.mul_f64(self.user.as_secs_f64() / ticks.as_secs_f64());

        (user, self.total.saturating_sub(user))
    }
}

/// Time that all processors of this machine have spent on soft interrupts, to the tick: the
/// network's work, which no process or the wrong one is charged with.
pub(crate) fn softirq() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let ticks = stat.lines().next().and_then(parse_softirq);

    ticks.map(|ticks| TICK * ticks).context("/proc/stat is not as Linux writes it")
}

/// The seventh figure of proc(5)'s `cpu` line.
fn parse_softirq(line: &str) -> Option<u32> {
    line.strip_prefix("cpu ")?.split_whitespace().nth(6)?.parse().ok()
}

/// User and system time: fields 14 and 15 of proc(5)'s `stat`; the second field may hold blanks.
fn parse_stat(stat: &str) -> Option<(Duration, Duration)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse().ok();
    let (user, system): (u32, u32) = (ticks()?, ticks()?);

    Some((TICK * user, TICK * system))
}

/// Nanoseconds on a processor, over all threads; threads that ended are not in it.
fn total_of_tasks(pid: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
        total += Duration::from_nanos(nanoseconds);
    }

    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_stand_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 250 75 0 0 20 0 3 0 100";

        let times = parse_stat(stat);

        assert_eq!(times, Some((Duration::from_millis(2_500), Duration::from_millis(750))));
        assert_eq!(parse_stat("42 (a) S 1"), None);
    }

    #[test]
    fn soft_interrupts_are_the_seventh_figure() {
        assert_eq!(parse_softirq("cpu  1 2 3 4 5 6 7 8 9 10"), Some(7));
        assert_eq!(parse_softirq("cpu0 1 2 3 4 5 6 7 8 9 10"), None);
        assert!(softirq().is_ok());
    }

    #[test]
    fn own_processor_time_is_read_and_grows() {
        let before = CpuTime::of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while CpuTime::of(std::process::id()).unwrap().since(before).total.is_zero() {
            sum = std::hint::black_box(sum + 1);
        }

        assert!(CpuTime::of(std::process::id()).unwrap().total > before.total);
        assert!(CpuTime::of(u32::MAX).is_err());
    }
}
