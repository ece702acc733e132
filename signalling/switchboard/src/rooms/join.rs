//! Joining a room, and coming back to it after the connection was lost.

use super::desk::{Connection, Context, Question, Side};
use super::messages::{codecs, ice_servers, seconds, server_info, update};
use super::participant::{Participant, kind_of};
use super::permission::Allow;
use super::publisher::Publisher;
use super::quality::Measured;
use super::refresh::Ticket;
use super::room::Room;
use super::subscriber::Subscriber;
use super::{ConnectionId, Join};
use crate::token::Claims;
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, DataRole, ParticipantId, TransportId};
use std::collections::{BTreeMap, BTreeSet};

impl Room {
    /// Lets somebody in. Whoever has the identity already must have been removed before.
    pub(super) fn join(&mut self, cx: &mut Context<'_>, connection: ConnectionId, join: Join) {
        let transport = TransportId(cx.desk.next_id());
        let participant = new_participant(cx, transport, Some(connection), join);
        let who = participant.id;
        cx.desk.counters.joins += 1;
        cx.desk.transports.insert(transport, (self.place(who), Side::Subscriber));
        self.attach(cx, connection, who);

        self.introduce(cx, &participant);
        let open = Command::Open { participant: who, transport, data: DataRole::Open };
        cx.ask(self.id, open, Question::Open(transport));
        self.note_participant(cx, &participant);
        self.participants.insert(who, participant);
        self.record_if_due(cx);
        self.welcome(cx, who);
        self.announce_to_others(cx, who);
        self.reconsider(cx, who);
    }

    /// Takes a participant back on a new connection.
    pub(super) fn resume(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionId,
        who: ParticipantId,
    ) {
        self.attach(cx, connection, who);
        let Some(participant) = self.participants.get_mut(&who) else { return };
        if let Some(older) = participant.connection.replace(connection) {
            cx.close(older);
        }
        cx.desk.counters.resumes += 1;
        participant.heard = cx.now.instant;
        participant.ticket.due = cx.now.instant;
        participant.publisher.held = None;
        participant.subscriber.in_flight = None;
        participant.subscriber.dirty = true;
        // While the relay still opens the transport, its first credentials are fresh enough.
        if participant.subscriber.local.take().is_some() {
            let transport = participant.subscriber.transport;
            cx.ask(self.id, Command::RestartIce(transport), Question::Open(transport));
        }

        let response = proto::ReconnectResponse {
            ice_servers: ice_servers(cx.desk, cx.now, &participant.identity),
            client_configuration: None,
            server_info: Some(server_info(&cx.desk.config)),
            last_message_seq: 0,
        };
        cx.send(Some(connection), Message::Reconnect(response));
        cx.send(Some(connection), update(self.everybody(who)));
        self.tell_speakers(cx, connection);
    }

    fn attach(&mut self, cx: &mut Context<'_>, connection: ConnectionId, who: ParticipantId) {
        let limits = cx.desk.config.limits;
        let bucket = super::bucket::Bucket::new(
            cx.now.instant,
            limits.messages_a_second,
            limits.message_burst,
        );
        let place = self.place(who);
        cx.desk.connections.insert(connection, Connection { place, bucket, malformed: 0 });
    }

    /// Tells the relay of a participant.
    pub(super) fn introduce(&self, cx: &mut Context<'_>, participant: &Participant) {
        let question = Question::Participant(self.place(participant.id));
        cx.ask(self.id, Command::Participant(participant.relay_spec()), question);
    }

    /// The first message to a participant.
    fn welcome(&self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get(&who) else { return };
        let others = self.visible().filter(|other| other.id != who).map(Participant::info);
        let config = &cx.desk.config;
        let response = proto::JoinResponse {
            room: Some(self.info(cx)),
            participant: Some(participant.info()),
            other_participants: others.collect(),
            server_version: config.version.clone(),
            ice_servers: ice_servers(cx.desk, cx.now, &participant.identity),
            subscriber_primary: true,
            server_region: config.region.clone(),
            ping_timeout: seconds(config.timeouts.ping_timeout),
            ping_interval: seconds(config.timeouts.ping_interval),
            server_info: Some(server_info(config)),
            enabled_publish_codecs: codecs(config),
            fast_publish: participant.grants.may_publish(),
            ..Default::default()
        };
        cx.send(participant.connection, Message::Join(response));
    }

    pub(super) fn announce_to_others(&self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get(&who) else { return };
        if participant.grants.hidden {
            return;
        }
        let encoded = super::desk::encode(update(vec![participant.info()]));
        let others = self.participants.values().filter(|other| other.id != who);
        for connection in others.filter_map(|other| other.connection) {
            cx.send_encoded(connection, encoded.clone());
        }
    }

    /// Everybody that a participant may know: also those who left a while ago.
    fn everybody(&self, who: ParticipantId) -> Vec<proto::ParticipantInfo> {
        let hidden_self = self.participants.get(&who).filter(|p| p.grants.hidden);
        let present = self.visible().chain(hidden_self).map(Participant::info);
        let back = |info: &proto::ParticipantInfo| self.by_identity(&info.identity).is_some();
        let departed = self.departed.iter().map(|(_, info)| info).filter(|info| !back(info));
        departed.cloned().chain(present).collect()
    }
}

pub(super) fn new_participant(
    cx: &mut Context<'_>,
    transport: TransportId,
    connection: Option<ConnectionId>,
    join: Join,
) -> Participant {
    let ticket = Ticket::new(&join.claims, cx.now.instant);
    let Claims { sub, name, metadata, mut attributes, kind, video: grants, .. } = join.claims;
    if grants.may_update_own_metadata() {
        let known: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let added: usize = join.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if known + added <= cx.desk.config.limits.metadata_bytes {
            attributes.extend(join.attributes);
        }
    }
    Participant {
        id: ParticipantId(cx.desk.next_id()),
        sid: cx.desk.sid("PA_"),
        identity: sub,
        name,
        metadata,
        attributes,
        kind: kind_of(&kind, grants.agent),
        grants,
        ticket,
        client_protocol: join.client_protocol,
        is_firefox: join.browser.to_ascii_lowercase().contains("firefox"),
        state: State::Joined,
        joined: cx.now,
        version: 1,
        connection,
        session: None,
        heard: cx.now.instant,
        auto_subscribe: join.auto_subscribe,
        exceptions: BTreeSet::new(),
        allow: Allow::default(),
        tracks: BTreeMap::new(),
        publisher: Publisher { session: cx.desk.session(), ..Publisher::default() },
        subscriber: Subscriber::new(transport, cx.desk.session()),
        subscriptions: BTreeMap::new(),
        measured: Measured::default(),
    }
}
