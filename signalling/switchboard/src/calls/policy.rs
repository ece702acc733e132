//! Who may call whom: the one place where that is decided.

use super::envelope::User;
use super::interface::{CallsLimits, CallsTimes, Facts, Verdict};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Callers whose buckets are not full; more than that are refused.
const CALLERS_MAX: usize = 100_000;

/// What becomes of a wish to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Decision {
    Allowed,
    /// Allowed because the operator's hook did not answer.
    AllowedSilent,
    Blocked,
    Absent,
    DoNotDisturb,
    Denied,
    DeniedSilent,
}

impl Decision {
    /// A metric's label and the word in the audit log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::AllowedSilent => "allowed_hook_silent",
            Self::Blocked => "blocked",
            Self::Absent => "absent",
            Self::DoNotDisturb => "do_not_disturb",
            Self::Denied => "denied_by_hook",
            Self::DeniedSilent => "denied_hook_silent",
        }
    }

    pub(super) fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed | Self::AllowedSilent)
    }

    /// Whether the called person is told later that somebody called.
    pub(super) fn is_missed(self) -> bool {
        matches!(self, Self::Absent | Self::DoNotDisturb)
    }
}

/// Decides by what is known. That both belong to one tenant is so by construction: a person is
/// looked for in the caller's tenant only.
pub(super) fn decide(caller: &User, facts: &Facts) -> Decision {
    match facts.verdict {
        Verdict::Deny => return Decision::Denied,
        Verdict::SilentDeny => return Decision::DeniedSilent,
        Verdict::None | Verdict::Allow | Verdict::SilentAllow => {}
    }
    if facts.settings.blocked.contains(&caller.identity) {
        return Decision::Blocked;
    }
    if facts.settings.do_not_disturb {
        return Decision::DoNotDisturb;
    }
    if facts.places.is_empty() {
        return Decision::Absent;
    }
    if facts.verdict == Verdict::SilentAllow {
        return Decision::AllowedSilent;
    }

    Decision::Allowed
}

/// How fast each person may call.
#[derive(Default)]
pub(super) struct Pace {
    /// When the bucket of a caller is full again; full ones are not kept.
    full_at: HashMap<User, Instant>,
}

impl Pace {
    /// Takes one call; the time to wait when the caller has none left.
    pub(super) fn take(
        &mut self,
        now: Instant,
        caller: &User,
        limits: &CallsLimits,
        times: &CallsTimes,
    ) -> Result<(), Duration> {
        if self.full_at.len() >= CALLERS_MAX {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let known = self.full_at.get(caller).copied();
        if known.is_none() && self.full_at.len() >= CALLERS_MAX {
            return Err(times.call_pause);
        }
        let full_at = known.unwrap_or(now).max(now) + times.call_pause;
        let most = times.call_pause * limits.call_burst;
        if full_at > now + most {
            return Err(full_at - (now + most));
        }
        self.full_at.insert(caller.clone(), full_at);

        Ok(())
    }

    /// Forgets callers whose buckets are full.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}
