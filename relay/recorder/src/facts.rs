//! What signalling tells of a recorded room: JSON within the log (docs/medialog.md).

use serde::{Deserialize, Serialize};

/// One fact. Members that a version does not know are ignored, those that are missing are empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// What is recorded.
    Room(Room),
    /// Somebody came, or changed.
    Participant(Participant),
    /// Somebody published a track.
    Track(Track),
    /// A track ended.
    Unpublished {
        /// The relay's number of the track.
        track: u64,
    },
    /// Somebody left.
    Left {
        /// The relay's number of the participant.
        participant: u64,
    },
}

/// A room, or a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// LiveKit's id of it.
    pub sid: String,
}

/// Somebody in the room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Participant {
    /// The relay's number.
    pub participant: u64,
    /// LiveKit's id.
    pub sid: String,
    /// Who it is.
    pub identity: String,
    /// What others see.
    pub name: String,
}

/// A track.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// The relay's number.
    pub track: u64,
    /// The relay's number of who publishes it.
    pub participant: u64,
    /// LiveKit's id.
    pub sid: String,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio` or `unknown`.
    pub source: String,
    /// Whether nobody but the participants can read it.
    pub encrypted: bool,
}

impl Fact {
    /// Reads a fact; `None` when it is none, or of a later version.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// As it stands in the log.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written_and_leniently() {
        let track = Track { track: 7, source: "camera".into(), ..Track::default() };
        assert_eq!(
            Fact::parse(&Fact::Track(track.clone()).write()),
            Some(Fact::Track(track.clone()))
        );
        let json = br#"{"fact":"track","track":7,"source":"camera","colour":"red"}"#;
        assert_eq!(Fact::parse(json), Some(Fact::Track(track)));
        assert_eq!(
            Fact::parse(br#"{"fact":"left","participant":3}"#),
            Some(Fact::Left { participant: 3 })
        );
        assert_eq!(Fact::parse(br#"{"fact":"weather"}"#), None);
    }
}
