//! ICE-lite (RFC 8445, section 2.5): always controlled, never asking, only answering checks.

mod answer;
mod credentials;

pub(crate) use answer::{refuse_role, refuse_unknown, succeed};
pub(crate) use credentials::Credentials;

use crate::Path;
use relay_wire::stun::{Message, attribute};
use std::time::{Duration, Instant};

/// Validated paths of one transport; the one that was silent longest goes when another comes.
const PAIRS_MAX: usize = 8;

/// Paths that one transport may bind in a second: each is told to every other shard. A client with
/// many addresses tries some dozens once; what is beyond comes again.
const BOUND_A_SECOND: u32 = 32;

/// Attributes that must be understood and are; the rest are refused with 420.
pub(crate) const KNOWN: [u16; 4] = [
    attribute::USERNAME,
    attribute::PRIORITY,
    attribute::USE_CANDIDATE,
    attribute::MESSAGE_INTEGRITY_SHA256,
];

/// One set of local credentials and, once told, the remote side that belongs to it.
struct Generation {
    local: Credentials,
    remote: Option<String>,
}

impl Generation {
    fn speaks(&self, local: &str, remote: &str) -> bool {
        let known = self.remote.as_deref();

        self.local.ufrag == local && known.is_none_or(|known| known == remote)
    }
}

/// A path on which the remote side has proven itself.
#[derive(Clone, Copy)]
struct Pair {
    path: Path,
    heard: Instant,
}

/// What a check deserves.
pub(crate) enum Verdict {
    /// Not from whom it says: no answer.
    Unauthentic,
    /// It claims our role (RFC 8445, section 7.3.1.1).
    RoleConflict,
    /// It has attributes that must be understood, and are not.
    UnknownAttributes,
    /// It would bind more paths than one transport may: no answer.
    TooManyPaths,
    /// Fine.
    Valid(Change),
}

/// What a valid check changed.
#[derive(Default)]
pub(crate) struct Change {
    /// The path was not known before.
    pub(crate) bound: bool,
    /// This path had to give way.
    pub(crate) unbound: Option<Path>,
    /// This local user name fragment is no longer in use.
    pub(crate) retired: Option<String>,
}

/// One transport's side of ICE.
pub(crate) struct Agent {
    current: Generation,
    /// The credentials before a restart, good until then.
    previous: Option<(Generation, Instant)>,
    pairs: Vec<Pair>,
    selected: Option<Path>,
    heard: Instant,
    /// A second's beginning, and how many paths were bound since.
    bound: (Instant, u32),
}

impl Agent {
    /// Waits for checks.
    pub(crate) fn new(local: Credentials, now: Instant) -> Self {
        Self {
            current: Generation { local, remote: None },
            previous: None,
            pairs: Vec::new(),
            selected: None,
            heard: now,
            bound: (now, 0),
        }
    }

    /// Local user name fragments in use.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.generations().map(|of| of.local.ufrag.as_str())
    }

    /// The path that packets leave on.
    pub(crate) fn path(&self) -> Option<Path> {
        self.selected
    }

    /// Every validated path.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> {
        self.pairs.iter().map(|pair| pair.path)
    }

    /// Learns the remote side's user name fragment.
    pub(crate) fn admit(&mut self, remote: String) {
        self.current.remote = Some(remote);
    }

    /// Takes new credentials (RFC 8445, section 9); the old ones stay good until the new ones
    /// carry a nomination, or until `until`. Returns a fragment that is no longer in use.
    pub(crate) fn restart(&mut self, local: Credentials, until: Instant) -> Option<String> {
        let new = Generation { local, remote: None };
        let old = std::mem::replace(&mut self.current, new);

        self.previous.replace((old, until)).map(|(oldest, _)| oldest.local.ufrag)
    }

    /// The credentials a check was made for.
    pub(crate) fn credentials(&self, ufrag: &str) -> Option<&Credentials> {
        self.generations().map(|of| &of.local).find(|local| local.ufrag == ufrag)
    }

    /// Judges a Binding request with this USERNAME (RFC 8445, section 7.3).
    pub(crate) fn check(
        &mut self,
        now: Instant,
        path: Path,
        request: &Message<'_>,
        (local, remote): (&str, &str),
    ) -> Verdict {
        let Some(generation) = self.generations().find(|of| of.speaks(local, remote)) else {
            return Verdict::Unauthentic;
        };
        if !request.verify_integrity(&generation.local.key) || !request.verify_fingerprint() {
            return Verdict::Unauthentic;
        }
        if request.unknown_required(&KNOWN).next().is_some() {
            return Verdict::UnknownAttributes;
        }
        if request.ice_controlled().is_some() {
            return Verdict::RoleConflict;
        }
        let newest = generation.local.ufrag == self.current.local.ufrag;
        if self.pairs.iter().all(|pair| pair.path != path) && !self.may_bind(now) {
            return Verdict::TooManyPaths;
        }

        Verdict::Valid(self.hear(now, path, request.use_candidate(), newest))
    }

    /// Forgets a path that belongs to somebody else now.
    pub(crate) fn lose(&mut self, path: Path) {
        self.pairs.retain(|pair| pair.path != path);
        self.reselect();
    }

    /// Forgets paths that were silent for `timeout` and credentials whose time is over; tells
    /// each path to `unbound`, and returns a fragment that is no longer in use.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        timeout: Duration,
        mut unbound: impl FnMut(Path),
    ) -> Option<String> {
        self.pairs.retain(|pair| {
            let alive = now < pair.heard + timeout;
            if !alive {
                unbound(pair.path);
            }
            alive
        });
        self.reselect();

        self.previous.take_if(|(_, until)| *until <= now).map(|(old, _)| old.local.ufrag)
    }

    /// When the remote side's consent is over, if nothing more is heard (RFC 7675, section 5.1).
    pub(crate) fn silent_at(&self, timeout: Duration) -> Instant {
        self.heard + timeout
    }

    /// When `expire` is next needed.
    pub(crate) fn next_timeout(&self, timeout: Duration) -> Option<Instant> {
        let pair = self.pairs.iter().map(|pair| pair.heard + timeout).min();
        let previous = self.previous.as_ref().map(|(_, until)| *until);

        [pair, previous].into_iter().flatten().min()
    }

    fn generations(&self) -> impl Iterator<Item = &Generation> {
        let previous = self.previous.as_ref().map(|(generation, _)| generation);

        [Some(&self.current), previous].into_iter().flatten()
    }

    fn may_bind(&mut self, now: Instant) -> bool {
        let (start, count) = &mut self.bound;
        if now.saturating_duration_since(*start) >= Duration::from_secs(1) {
            (*start, *count) = (now, 0);
        }
        let may = *count < BOUND_A_SECOND;
        *count += u32::from(may);

        may
    }

    fn hear(&mut self, now: Instant, path: Path, nominated: bool, newest: bool) -> Change {
        self.heard = now;
        let mut change = Change::default();
        match self.pairs.iter_mut().find(|pair| pair.path == path) {
            Some(pair) => pair.heard = now,
            None => {
                change.bound = true;
                change.unbound = self.make_room();
                self.pairs.push(Pair { path, heard: now });
            }
        }
        if nominated || self.selected.is_none() {
            self.selected = Some(path);
        }
        if nominated && newest {
            change.retired = self.previous.take().map(|(old, _)| old.local.ufrag);
        }

        change
    }

    fn make_room(&mut self) -> Option<Path> {
        if self.pairs.len() < PAIRS_MAX {
            return None;
        }
        let others = self.pairs.iter().filter(|pair| Some(pair.path) != self.selected);
        let silent = others.min_by_key(|pair| pair.heard)?.path;
        self.pairs.retain(|pair| pair.path != silent);

        Some(silent)
    }

    /// Goes to the path heard last when the selected one is gone.
    fn reselect(&mut self) {
        if self.pairs.iter().all(|pair| Some(pair.path) != self.selected) {
            self.selected = self.pairs.iter().max_by_key(|pair| pair.heard).map(|pair| pair.path);
        }
    }
}
