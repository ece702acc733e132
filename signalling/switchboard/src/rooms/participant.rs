//! A participant: who it is, what it may do, what it publishes and receives.

use super::permission::Allow;
use super::publisher::Publisher;
use super::quality::Measured;
use super::refresh::Ticket;
use super::subscriber::{Subscriber, Subscription};
use super::track::Track;
use super::whip::Session;
use super::{ConnectionId, Limits, Now};
use crate::token::Grants;
use livekit_protocol as proto;
use livekit_protocol::participant_info::{Kind, State};
use prost::Message as _;
use relay_wire::control::{ParticipantId, ParticipantSpec, TrackId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// `DataPacket { participant_identity: "", participant_sid: "" }` with both fields written out.
/// They overwrite what the sender says of itself, so that nobody learns of a hidden one.
const NAMELESS: [u8; 5] = [4 << 3 | 2, 0, 0x8a, 0x01, 0];

pub(super) struct Participant {
    pub(super) id: ParticipantId,
    pub(super) sid: String,
    pub(super) identity: String,
    pub(super) name: String,
    pub(super) metadata: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) grants: Grants,
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
    pub(super) client_protocol: i32,
    /// Firefox makes its own track ids, so it needs our sids as stream ids.
    pub(super) is_firefox: bool,
    pub(super) state: State,
    pub(super) joined: Now,
    /// Grows with each update that others get; SDKs drop what is older.
    pub(super) version: u32,
    pub(super) connection: Option<ConnectionId>,
    /// What stands in for the connection of a WHIP or WHEP client.
    pub(super) session: Option<Box<Session>>,
    /// When the client was last heard, or its connection was lost.
    pub(super) heard: Instant,
    pub(super) auto_subscribe: bool,
    /// Tracks for which the opposite of `auto_subscribe` is wanted.
    pub(super) exceptions: BTreeSet<TrackId>,
    /// Who may receive its tracks.
    pub(super) allow: Allow,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) publisher: Publisher,
    pub(super) subscriber: Subscriber,
    pub(super) subscriptions: BTreeMap<TrackId, Subscription>,
    pub(super) measured: Measured,
}

impl Participant {
    /// What others are told: tracks only once they arrive.
    pub(super) fn info(&self) -> proto::ParticipantInfo {
        let live = self.tracks.values().filter(|track| track.is_live());
        let joined_ms = i64::try_from(self.joined.unix_ms).unwrap_or(i64::MAX);
        proto::ParticipantInfo {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: self.state as i32,
            tracks: live.map(|track| track.info.clone()).collect(),
            metadata: self.metadata.clone(),
            joined_at: joined_ms / 1000,
            joined_at_ms: joined_ms,
            name: self.name.clone(),
            version: self.version,
            permission: Some(self.permission()),
            is_publisher: self.is_publisher(),
            kind: self.kind as i32,
            attributes: self.attributes.clone().into_iter().collect(),
            client_protocol: self.client_protocol,
            ..Default::default()
        }
    }

    /// Takes another name, metadata and further attributes: what is empty stays as it is, and an
    /// empty attribute goes. False, and nothing is changed, when they are too long.
    pub(super) fn rename(
        &mut self,
        limits: &Limits,
        name: &str,
        metadata: &str,
        changed: BTreeMap<String, String>,
    ) -> bool {
        let mut attributes = self.attributes.clone();
        attributes.extend(changed);
        attributes.retain(|_, value| !value.is_empty());
        let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes.max(metadata.len()) > limits.metadata_bytes || name.len() > limits.name_bytes {
            return false;
        }
        self.attributes = attributes;
        if !metadata.is_empty() {
            metadata.clone_into(&mut self.metadata);
        }
        if !name.is_empty() {
            name.clone_into(&mut self.name);
        }
        true
    }

    /// What the relay is told of it.
    pub(super) fn relay_spec(&self) -> ParticipantSpec {
        let stamp = proto::DataPacket {
            participant_identity: self.identity.clone(),
            participant_sid: self.sid.clone(),
            ..Default::default()
        };
        let stamp = if self.grants.hidden { NAMELESS.to_vec() } else { stamp.encode_to_vec() };
        ParticipantSpec {
            participant: self.id,
            identity: self.identity.clone(),
            stamp,
            can_publish_data: self.grants.may_publish_data(),
            // `canSubscribe` is about tracks: whoever has a channel for data gets what is sent.
            can_subscribe: self.session.is_none(),
        }
    }

    /// Whether it is there for the others only: no room is kept for it, nor is it counted among
    /// those that a room may hold.
    pub(super) fn is_dependent(&self) -> bool {
        is_dependent(self.kind, &self.grants)
    }

    /// Whether it plays by WHEP.
    pub(super) fn is_player(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_player())
    }

    pub(super) fn is_publisher(&self) -> bool {
        self.tracks.values().any(|track| track.bound.is_some())
    }

    #[expect(deprecated, reason = "older SDKs read `recorder` and `agent`")]
    fn permission(&self) -> proto::ParticipantPermission {
        let sources = self.grants.can_publish_sources.iter();
        // A name that nobody knows permits nothing; an empty list would permit all.
        let sources = sources.map(|name| source_of(name).unwrap_or_default());
        proto::ParticipantPermission {
            can_subscribe: self.grants.may_subscribe(),
            can_publish: self.grants.may_publish(),
            can_publish_data: self.grants.may_publish_data(),
            can_publish_sources: sources.map(|source| source as i32).collect(),
            hidden: self.grants.hidden,
            recorder: self.grants.recorder,
            can_update_metadata: self.grants.may_update_own_metadata(),
            agent: self.grants.agent,
            ..Default::default()
        }
    }

    /// Takes other permissions; those that only a token gives stay.
    #[expect(deprecated, reason = "older back ends send `recorder` and `agent`")]
    pub(super) fn set_permission(&mut self, permission: &proto::ParticipantPermission) {
        let sources = permission.can_publish_sources().map(name_of);
        self.grants = Grants {
            can_publish: Some(permission.can_publish),
            can_subscribe: Some(permission.can_subscribe),
            can_publish_data: Some(permission.can_publish_data),
            can_publish_sources: sources.map(str::to_owned).collect(),
            can_update_own_metadata: Some(permission.can_update_metadata),
            hidden: permission.hidden,
            recorder: permission.recorder,
            agent: permission.agent,
            ..std::mem::take(&mut self.grants)
        };
        if let Some(session) = &self.session {
            session.confine(&mut self.grants);
        }
    }

    /// Whether a track of this source may be published.
    pub(super) fn may_publish(&self, source: proto::TrackSource) -> bool {
        may_publish(&self.grants, source)
    }

    pub(super) fn track_by_sid_mut(&mut self, sid: &str) -> Option<&mut Track> {
        self.tracks.values_mut().find(|track| track.info.sid == sid)
    }
}

/// Whether these grants permit publishing a track of this source.
pub(super) fn may_publish(grants: &Grants, source: proto::TrackSource) -> bool {
    let named = &grants.can_publish_sources;
    let listed = named.is_empty() || named.iter().any(|name| source_of(name) == Some(source));
    grants.may_publish() && listed
}

fn name_of(source: proto::TrackSource) -> &'static str {
    match source {
        proto::TrackSource::Camera => "camera",
        proto::TrackSource::Microphone => "microphone",
        proto::TrackSource::ScreenShare => "screen_share",
        proto::TrackSource::ScreenShareAudio => "screen_share_audio",
        proto::TrackSource::Unknown => "unknown",
    }
}

fn source_of(name: &str) -> Option<proto::TrackSource> {
    match name.to_ascii_lowercase().as_str() {
        "camera" => Some(proto::TrackSource::Camera),
        "microphone" => Some(proto::TrackSource::Microphone),
        "screen_share" => Some(proto::TrackSource::ScreenShare),
        "screen_share_audio" => Some(proto::TrackSource::ScreenShareAudio),
        _ => None,
    }
}

/// Whether somebody of this kind, with these grants, is there for the others only: agents, and
/// whatever records.
pub(super) fn is_dependent(kind: Kind, grants: &Grants) -> bool {
    matches!(kind, Kind::Agent | Kind::Egress) || grants.agent || grants.recorder
}

/// The kind of participant that a token names.
pub(super) fn kind_of(name: &str, is_agent: bool) -> Kind {
    match name.to_ascii_lowercase().as_str() {
        "ingress" => Kind::Ingress,
        "egress" => Kind::Egress,
        "sip" => Kind::Sip,
        "agent" => Kind::Agent,
        "connector" => Kind::Connector,
        "bridge" => Kind::Bridge,
        _ if is_agent => Kind::Agent,
        _ => Kind::Standard,
    }
}
