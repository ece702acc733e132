//! Who may receive a participant's tracks, as the participant itself says.

use super::participant::Participant;
use super::track::Track;
use livekit_protocol as proto;
use std::collections::{HashMap, HashSet};

/// Entries and track sids kept of one message.
const ENTRIES_MAX: usize = 1_000;
const TRACKS_MAX: usize = 64;

/// Who may receive a participant's tracks.
#[derive(Clone, Debug, Default)]
pub(super) enum Allow {
    #[default]
    Everybody,
    /// By sid and by identity: it is asked for each subscriber and track, and may be long.
    Listed { by_sid: HashMap<String, Tracks>, by_identity: HashMap<String, Tracks> },
}

/// Which tracks somebody may receive.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    all: bool,
    sids: HashSet<String>,
}

impl Allow {
    pub(super) fn new(message: proto::SubscriptionPermission) -> Self {
        if message.all_participants {
            return Self::Everybody;
        }
        let (mut by_sid, mut by_identity) = (HashMap::new(), HashMap::new());
        for entry in message.track_permissions.into_iter().take(ENTRIES_MAX) {
            let sids: Vec<String> = entry.track_sids.into_iter().take(TRACKS_MAX).collect();
            if !entry.participant_identity.is_empty() {
                let tracks: &mut Tracks =
                    by_identity.entry(entry.participant_identity).or_default();
                tracks.add(entry.all_tracks, &sids);
            }
            let tracks: &mut Tracks = by_sid.entry(entry.participant_sid).or_default();
            tracks.add(entry.all_tracks, &sids);
        }
        Self::Listed { by_sid, by_identity }
    }

    pub(super) fn permits(&self, subscriber: &Participant, track: &Track) -> bool {
        let Self::Listed { by_sid, by_identity } = self else { return true };
        [by_sid.get(&subscriber.sid), by_identity.get(&subscriber.identity)]
            .into_iter()
            .flatten()
            .any(|tracks| tracks.all || tracks.sids.contains(&track.info.sid))
    }
}

impl Tracks {
    fn add(&mut self, all: bool, sids: &[String]) {
        self.all |= all;
        self.sids.extend(sids.iter().cloned());
    }
}
