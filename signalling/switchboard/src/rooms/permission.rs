//! Who may receive a participant's tracks, as the participant itself says.

use super::participant::Participant;
use super::track::Track;
use livekit_protocol as proto;

/// Entries and track sids kept of one message.
const ENTRIES_MAX: usize = 1_000;
const TRACKS_MAX: usize = 64;

/// Who may receive a participant's tracks.
#[derive(Clone, Debug, Default)]
pub(super) enum Allow {
    #[default]
    Everybody,
    Listed(Vec<proto::TrackPermission>),
}

impl Allow {
    pub(super) fn new(message: proto::SubscriptionPermission) -> Self {
        if message.all_participants {
            return Self::Everybody;
        }
        let mut listed = message.track_permissions;
        listed.truncate(ENTRIES_MAX);
        for entry in &mut listed {
            entry.track_sids.truncate(TRACKS_MAX);
        }
        Self::Listed(listed)
    }

    pub(super) fn permits(&self, subscriber: &Participant, track: &Track) -> bool {
        let Self::Listed(listed) = self else { return true };
        let meant = |entry: &&proto::TrackPermission| {
            entry.participant_sid == subscriber.sid
                || (!entry.participant_identity.is_empty()
                    && entry.participant_identity == subscriber.identity)
        };
        listed
            .iter()
            .filter(meant)
            .any(|entry| entry.all_tracks || entry.track_sids.contains(&track.info.sid))
    }
}
