//! A switchboard with its surroundings: clocks, connections, a relay.

use crate::script;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use prost::Message as _;
use relay_wire::control::{
    Answer, Codec, Command, Event, Fingerprint, Hash, Message as FromRelay, Opened, Refusal,
    Request, RoomId, TrackId, TransportId,
};
use signalling_switchboard::token::{Claims, Grants};
use signalling_switchboard::{
    AdminError, AdminRequest, AdminResponse, Config, ConnectionId, Join, Now, Outbox, RequestId,
    RoomEvent, SessionReply, SessionRequest, Switchboard,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub(crate) struct World {
    pub(crate) board: Switchboard,
    now: Instant,
    unix_ms: u64,
    connections: u64,
    inboxes: BTreeMap<ConnectionId, Vec<Message>>,
    closed: BTreeSet<ConnectionId>,
    /// Everything that the relay was asked for and that was not looked at yet.
    requests: Vec<Request>,
    /// What the back end is to be told, and was not looked at yet.
    pub(crate) events: Vec<RoomEvent>,
    /// Refuses the commands it picks.
    pub(crate) refuse: fn(&Command) -> Option<Refusal>,
    /// Whether the relay keeps its answers to itself.
    pub(crate) silent: bool,
    opened: u32,
    sessions: u64,
    replies: BTreeMap<RequestId, SessionReply>,
}

/// A client: its connection and the sid it was given.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) connection: ConnectionId,
    pub(crate) sid: String,
    pub(crate) identity: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    pub(crate) fn with(config: Config) -> Self {
        Self {
            board: Switchboard::new(config, [7; 32]),
            now: Instant::now(),
            unix_ms: 1_800_000_000_000,
            connections: 0,
            inboxes: BTreeMap::new(),
            closed: BTreeSet::new(),
            requests: Vec::new(),
            events: Vec::new(),
            refuse: |_| None,
            silent: false,
            opened: 0,
            sessions: 0,
            replies: BTreeMap::new(),
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.now, unix_ms: self.unix_ms }
    }

    /// Does something, delivers what it causes, and lets the relay answer.
    fn run(&mut self, act: impl FnOnce(&mut Switchboard, Now, &mut Outbox)) {
        let mut out = Outbox::default();
        let now = self.now();
        act(&mut self.board, now, &mut out);
        while let Some(answers) = self.deliver(&mut out) {
            for (id, answer) in answers {
                self.board.relay(now, FromRelay::Answer { id, answer }, &mut out);
            }
        }
    }

    fn deliver(&mut self, out: &mut Outbox) -> Option<Vec<(u64, Answer)>> {
        for (to, bytes) in out.messages.drain(..) {
            assert!(!self.closed.contains(&to), "a message after the close");
            let response = proto::SignalResponse::decode(bytes.as_slice()).unwrap();
            self.inboxes.entry(to).or_default().push(response.message.unwrap());
        }
        for connection in out.closes.drain(..) {
            assert!(self.closed.insert(connection), "closed twice");
        }
        self.events.append(&mut out.events);
        for (id, reply) in out.replies.drain(..) {
            assert!(self.replies.insert(id, reply).is_none(), "answered twice");
        }
        let requests: Vec<Request> = out.requests.drain(..).collect();
        if self.silent {
            self.requests.extend(requests);
            return None;
        }
        let answers: Vec<_> = requests.iter().map(|r| (r.id, self.answer(&r.command))).collect();
        self.requests.extend(requests);
        (!answers.is_empty()).then_some(answers)
    }

    fn answer(&mut self, command: &Command) -> Answer {
        if let Some(refusal) = (self.refuse)(command) {
            return Answer::Refused(refusal);
        }
        match command {
            Command::Open { .. } | Command::RestartIce(_) => {
                self.opened += 1;
                Answer::Opened(Opened {
                    shard: 0,
                    ufrag: format!("00server{}", self.opened),
                    pwd: "0123456789abcdef0123456789abcdef".into(),
                    fingerprint: Fingerprint { hash: Hash::Sha256, digest: vec![1; 32] },
                    candidates: vec!["127.0.0.1:3478".parse().unwrap()],
                    candidates_tcp: Vec::new(),
                })
            }
            _ => Answer::Done,
        }
    }

    pub(crate) fn claims(identity: &str) -> Claims {
        let video = Grants { room_join: true, room: "demo".into(), ..Grants::default() };
        Claims { sub: identity.into(), name: identity.to_uppercase(), video, ..Claims::default() }
    }

    pub(crate) fn connect(&mut self, join: Join) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.run(|board, now, out| board.connect(now, id, join, out));
        id
    }

    /// Joins; the inbox still holds everything.
    pub(crate) fn join_with(&mut self, join: Join) -> Client {
        let identity = join.claims.sub.clone();
        let connection = self.connect(join);
        let sid = self.inboxes[&connection].iter().find_map(|message| match message {
            Message::Join(join) => Some(join.participant.as_ref().unwrap().sid.clone()),
            _ => None,
        });
        Client { connection, sid: sid.expect("a JoinResponse"), identity }
    }

    /// Joins, answers the first offer, connects, and reads its inbox.
    pub(crate) fn join(&mut self, identity: &str) -> Client {
        let client = self.join_with(Join::new(Self::claims(identity)));
        self.settle(&client);
        client
    }

    /// Answers what was offered and connects the subscriber transport.
    pub(crate) fn settle(&mut self, client: &Client) {
        self.answer_offers(client, |sdp| script::answer_to(sdp, "answ"));
        let transport = self.subscriber_of(client);
        self.event(Event::Connected(transport));
        self.read(client);
    }

    /// Asks over HTTP; the relay answers at once, so the reply is there.
    pub(crate) fn session(&mut self, request: SessionRequest) -> SessionReply {
        let id = self.ask_session(request);
        self.replies.remove(&id).expect("a reply")
    }

    /// Makes a WHIP or WHEP request that need not be answered yet.
    pub(crate) fn ask_session(&mut self, request: SessionRequest) -> RequestId {
        self.sessions += 1;
        let id = RequestId(self.sessions);
        self.run(|board, now, out| board.session(now, id, request, out));
        id
    }

    /// The transport that was opened last.
    pub(crate) fn transport_opened(&self) -> TransportId {
        let opened = self.requests.iter().rev().find_map(|request| match &request.command {
            Command::Open { transport, .. } => Some(*transport),
            _ => None,
        });
        opened.expect("an Open; commands() forgets it")
    }

    pub(crate) fn say(&mut self, client: &Client, message: Say) {
        let frame = proto::SignalRequest { message: Some(message) }.encode_to_vec();
        self.frame(client.connection, &frame);
    }

    pub(crate) fn frame(&mut self, connection: ConnectionId, frame: &[u8]) {
        self.run(|board, now, out| board.receive(now, connection, frame, out));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.run(|board, now, out| board.relay(now, FromRelay::Event(event), out));
    }

    pub(crate) fn administer(
        &mut self,
        claims: &Claims,
        request: AdminRequest,
    ) -> Result<AdminResponse, AdminError> {
        let mut outcome = None;
        self.run(|board, now, out| outcome = Some(board.administer(now, claims, request, out)));
        outcome.expect("the switchboard answers")
    }

    pub(crate) fn cut(&mut self, client: &Client) {
        self.run(|board, now, out| board.disconnected(now, client.connection, out));
    }

    pub(crate) fn shutdown(&mut self) {
        self.run(Switchboard::shutdown);
    }

    /// Lets time pass; connected clients do nothing meanwhile.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.board.next_timeout().filter(|at| *at <= end) {
            self.advance_to(at.max(self.now));
            self.run(Switchboard::advance);
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, at: Instant) {
        self.unix_ms += u64::try_from((at - self.now).as_millis()).unwrap();
        self.now = at;
    }

    /// Lets time pass while these clients ping.
    pub(crate) fn sleep_pinging(&mut self, time: Duration, clients: &[&Client]) {
        for _ in 0..time.as_secs() {
            self.sleep(Duration::from_secs(1));
            for client in clients {
                self.say(client, Say::Ping(1));
            }
        }
    }

    /// Takes what a client has received since.
    pub(crate) fn read(&mut self, client: &Client) -> Vec<Message> {
        self.read_connection(client.connection)
    }

    pub(crate) fn read_connection(&mut self, connection: ConnectionId) -> Vec<Message> {
        self.inboxes.remove(&connection).unwrap_or_default()
    }

    pub(crate) fn is_closed(&self, connection: ConnectionId) -> bool {
        self.closed.contains(&connection)
    }

    /// Takes what the relay was told since.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        self.requests.drain(..).map(|request| request.command).collect()
    }

    pub(crate) fn room(&self) -> RoomId {
        self.requests.last().unwrap().room
    }

    /// Answers the offers that lie in the inbox, until there are none.
    pub(crate) fn answer_offers(&mut self, client: &Client, answer: fn(&str) -> String) {
        while let Some(offer) = self.take_offer(client) {
            self.answer_offer(client, &offer, answer);
        }
    }

    /// Answers one offer.
    pub(crate) fn answer_offer(
        &mut self,
        client: &Client,
        offer: &proto::SessionDescription,
        answer: fn(&str) -> String,
    ) {
        let reply = proto::SessionDescription {
            r#type: "answer".into(),
            sdp: answer(&offer.sdp),
            id: offer.id,
            ..Default::default()
        };
        self.say(client, Say::Answer(reply));
    }

    /// Takes the next offer out of the inbox.
    pub(crate) fn take_offer(&mut self, client: &Client) -> Option<proto::SessionDescription> {
        let inbox = self.inboxes.get_mut(&client.connection)?;
        let at = inbox.iter().position(|message| matches!(message, Message::Offer(_)))?;
        match inbox.remove(at) {
            Message::Offer(offer) => Some(offer),
            _ => None,
        }
    }

    /// The transport that the server last admitted or opened as subscriber of a client.
    pub(crate) fn subscriber_of(&self, client: &Client) -> TransportId {
        let stamp = client.sid.as_bytes();
        let participant = self.requests.iter().rev().find_map(|request| match &request.command {
            Command::Participant(spec) if has(&spec.stamp, stamp) => Some(spec.participant),
            _ => None,
        });
        let opened = self.requests.iter().find_map(|request| match &request.command {
            Command::Open {
                participant: who,
                transport,
                data: relay_wire::control::DataRole::Open,
            } if Some(*who) == participant => Some(*transport),
            _ => None,
        });
        opened.expect("a subscriber transport; commands() forgets it")
    }

    /// Announces, offers and starts a camera with three layers; gives its sid and the relay's id.
    /// Publishes a camera that somebody else receives already; everybody has read everything.
    pub(crate) fn publish_watched_camera(
        &mut self,
        client: &Client,
        watcher: &Client,
    ) -> (String, TrackId) {
        let published = self.publish_camera(client);
        self.answer_offers(watcher, |sdp| script::answer_to(sdp, "answ"));
        self.read(watcher);
        self.commands();

        published
    }

    pub(crate) fn publish_camera(&mut self, client: &Client) -> (String, TrackId) {
        let (sid, track) = self.offer_camera(client, "cam", "1");
        self.event(Event::Started(track, Codec::Vp8));
        (sid, track)
    }

    /// The same without a first packet.
    pub(crate) fn offer_camera(
        &mut self,
        client: &Client,
        cid: &str,
        mid: &str,
    ) -> (String, TrackId) {
        self.say(client, Say::AddTrack(script::camera(cid)));
        let sid = self.published(client).sid;
        self.say(client, script::offer(1, &[script::Line::video(mid, cid)], "publ"));
        let track = self.requests.iter().rev().find_map(|request| match &request.command {
            Command::Publish(spec) if spec.mid == mid => Some(spec.track),
            _ => None,
        });
        (sid, track.expect("a Publish command"))
    }

    /// The last TrackPublished in the inbox.
    pub(crate) fn published(&self, client: &Client) -> proto::TrackInfo {
        let found =
            self.inboxes[&client.connection].iter().rev().find_map(|message| match message {
                Message::TrackPublished(published) => published.track.clone(),
                _ => None,
            });
        found.expect("a TrackPublished")
    }
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
