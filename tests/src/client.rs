//! A LiveKit client with two peer connections: publishes recognisable frames, checks what it gets.

use crate::media::Media;
use crate::peer::Peer;
use crate::publication::Publication;
use crate::rejection::rejection_of;
use crate::screen::{Screen, Screens};
use crate::{Network, Received, Relay, Source, Trick};
use livekit_protocol as proto;
use prost::Message as _;
use proto::{signal_request, signal_response};
use relay_wire::control::Kind;
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::Event;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};

/// A participant of a room.
pub struct Client {
    /// Its identity.
    pub identity: String,
    /// What came, by publisher and kind.
    pub received: BTreeMap<(String, Kind), Received>,
    /// The others, as the participant updates tell: sid to info.
    pub others: BTreeMap<String, proto::ParticipantInfo>,
    /// Who is said to speak, loudest first.
    pub speakers: Vec<String>,
    /// Data messages that came: channel label and bytes.
    pub data: Vec<(String, Vec<u8>)>,
    /// How well the others and itself are said to be connected, by sid.
    pub quality: BTreeMap<String, proto::ConnectionQualityInfo>,
    /// Why the server ended it, if it did.
    pub left: Option<proto::LeaveRequest>,
    /// Keyframes asked of this client.
    pub keyframe_requests: u32,
    publisher: Peer,
    subscriber: Peer,
    publications: Vec<Publication>,
    /// Whether it takes nothing that is offered.
    pub rejects: bool,
    pending: Option<SdpPendingOffer>,
    offer_id: u32,
    channels: HashMap<&'static str, ChannelId>,
    labels: HashMap<ChannelId, String>,
    tracks: HashMap<String, (String, Kind)>,
    requests: Vec<signal_request::Message>,
    media: Media,
    seed: u64,
    screens: Screens,
}

impl Client {
    pub(crate) fn new(
        now: Instant,
        identity: &str,
        number: u16,
        network: Network,
        seed: u64,
        media: Media,
    ) -> Self {
        let [high, low] = number.to_be_bytes();
        let address = |port| SocketAddr::from((Ipv4Addr::new(10, 0, high, low), port));
        let peer = |port, seed| Peer::new(now, address(port), network, seed, media);
        Self {
            identity: identity.to_owned(),
            received: BTreeMap::new(),
            others: BTreeMap::new(),
            speakers: Vec::new(),
            data: Vec::new(),
            quality: BTreeMap::new(),
            left: None,
            keyframe_requests: 0,
            publisher: peer(5000, seed ^ 1),
            subscriber: peer(5001, seed ^ 2),
            publications: Vec::new(),
            rejects: false,
            pending: None,
            offer_id: 0,
            channels: HashMap::new(),
            labels: HashMap::new(),
            tracks: HashMap::new(),
            requests: Vec::new(),
            media,
            seed,
            screens: Screens::default(),
        }
    }

    /// Starts to publish; frames flow once the server has answered.
    pub fn publish(&mut self, source: Source) {
        let number = self.publications.len();
        let mut publication = Publication::new(&self.identity, source, number);
        if let Media::Packets { begin } = self.media {
            publication.encode(&self.identity, begin, self.seed ^ (number as u64) << 32);
        }
        self.requests.push(signal_request::Message::AddTrack(publication.request()));
        self.publications.push(publication);
    }

    /// Mutes or unmutes everything of a kind: told to the server, and no more frames.
    pub fn mute(&mut self, kind: Kind, muted: bool) {
        for publication in self.publications.iter_mut().filter(|p| p.source.kind() == kind) {
            publication.mute(muted);
            let sid = publication.sid.clone().expect("a published track");
            let request = proto::MuteTrackRequest { sid, muted };
            self.requests.push(signal_request::Message::Mute(request));
        }
    }

    /// Sends any request to the server.
    pub fn request(&mut self, message: signal_request::Message) {
        self.requests.push(message);
    }

    /// Sends a data message on `_reliable` or `_lossy`; false when the channel is not open.
    pub fn send_data(&mut self, label: &'static str, packet: &proto::DataPacket) -> bool {
        let Some(id) = self.channels.get(label) else { return false };
        let Some(mut channel) = self.publisher.rtc.channel(*id) else { return false };

        channel.write(true, &packet.encode_to_vec()).unwrap_or(false)
    }

    /// Whether the data channels are open, both ways.
    pub fn has_channels(&mut self) -> bool {
        let mut open = |id: &ChannelId| self.publisher.rtc.channel(*id).is_some();

        self.channels.len() == 2 && self.channels.values().all(&mut open) && self.labels.len() >= 2
    }

    /// Which connections and channels are up, to be read in a failed test's message.
    pub fn state(&mut self) -> String {
        let labels: Vec<_> = self.labels.values().cloned().collect();
        let open: Vec<_> = self
            .channels
            .iter()
            .filter(|(_, id)| self.publisher.rtc.channel(**id).is_some())
            .map(|(label, _)| *label)
            .collect();
        format!(
            "{}: publisher {} {open:?}, subscriber {} {labels:?}, left {:?}",
            self.identity,
            self.publisher.rtc.is_connected(),
            self.subscriber.rtc.is_connected(),
            self.left
        )
    }

    /// The network gets better or worse.
    pub fn set_network(&mut self, network: Network, seed: u64) {
        self.publisher.set_network(network, seed ^ 1);
        self.subscriber.set_network(network, seed ^ 2);
    }

    /// The sid of its track of this kind.
    pub fn track_sid(&self, kind: Kind) -> Option<String> {
        self.publications.iter().find(|p| p.source.kind() == kind)?.sid.clone()
    }

    /// The sid of somebody else's track of this kind.
    pub fn track_of(&self, publisher: &str, kind: Kind) -> Option<String> {
        let info = self.others.values().find(|info| info.identity == publisher)?;
        let track = info.tracks.iter().find(|track| track.r#type == i32::from(kind == Kind::Video));

        track.map(|track| track.sid.clone())
    }

    /// Subscribes to somebody's track, or no longer. False when there is no such track.
    pub fn subscribe(&mut self, publisher: &str, kind: Kind, subscribe: bool) -> bool {
        let Some(sid) = self.track_of(publisher, kind) else { return false };
        let update =
            proto::UpdateSubscription { track_sids: vec![sid], subscribe, ..Default::default() };
        self.request(signal_request::Message::Subscription(update));

        true
    }

    /// Stops one encoding of its video, low to high, or starts it again.
    pub fn set_encoding(&mut self, stream: usize, active: bool) {
        for publication in self.publications.iter_mut().filter(|p| p.source.kind() == Kind::Video) {
            if let Some(encoder) = publication.encoder() {
                encoder.set_active(stream, active);
            }
        }
    }

    /// Plays a trick with its video from now on, or no more.
    pub fn misbehave(&mut self, trick: Option<Trick>) {
        for publication in self.publications.iter_mut().filter(|p| p.source.kind() == Kind::Video) {
            publication.misbehave(trick);
        }
    }

    /// The streams that came, in a world of models.
    pub fn screens(&self) -> impl Iterator<Item = &Screen> {
        self.screens.iter()
    }

    /// Watches for freezes from now on.
    pub fn watch(&mut self, now: Instant) {
        self.screens.iter_mut().for_each(|screen| screen.decoder.watch(now));
    }

    /// How many frames it sent of this kind.
    pub fn sent(&self, kind: Kind) -> u32 {
        let of_kind = self.publications.iter().filter(|p| p.source.kind() == kind);
        of_kind.map(|p| p.number).sum()
    }

    pub(crate) fn signal(&mut self, now: Instant, response: proto::SignalResponse) {
        if std::env::var("WORLD_TRACE").is_ok() {
            eprintln!("{} <- {response:?}", self.identity);
        }
        match response.message.expect("a message") {
            signal_response::Message::Join(join) => self.update(join.other_participants),
            signal_response::Message::Update(update) => self.update(update.participants),
            signal_response::Message::Offer(offer) => self.answer(now, &offer),
            signal_response::Message::Answer(answer) => self.accept(now, &answer),
            signal_response::Message::TrackPublished(published) => self.published(now, published),
            signal_response::Message::SpeakersChanged(changed) => self.speak(changed),
            signal_response::Message::ConnectionQuality(told) => self.grade(told),
            signal_response::Message::Leave(leave) => self.left = Some(leave),
            _ => {}
        }
    }

    fn grade(&mut self, told: proto::ConnectionQualityUpdate) {
        let by_sid = told.updates.into_iter().map(|info| (info.participant_sid.clone(), info));
        self.quality.extend(by_sid);
    }

    pub(crate) fn take_requests(&mut self) -> Vec<signal_request::Message> {
        std::mem::take(&mut self.requests)
    }

    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        self.publisher.address == address || self.subscriber.address == address
    }

    pub(crate) fn deliver(&mut self, now: Instant, path: relay_shard::Path, bytes: Vec<u8>) {
        let peer = if self.publisher.address == path.remote {
            &mut self.publisher
        } else {
            &mut self.subscriber
        };
        peer.deliver(now, path, bytes);
    }

    pub(crate) fn step(&mut self, now: Instant, relay: &mut Relay) {
        self.send_media(now);
        self.publisher.step(now, relay);
        self.subscriber.step(now, relay);
        for event in std::mem::take(&mut self.publisher.events) {
            self.publisher_event(&event);
        }
        for event in std::mem::take(&mut self.subscriber.events) {
            self.subscriber_event(now, event);
        }
        self.screens.advance(now, &mut self.subscriber);
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        let peers = self.publisher.next_timeout().min(self.subscriber.next_timeout());
        let publications = self.publications.iter().filter_map(|p| p.due);

        publications.chain(self.screens.next_timeout()).fold(peers, Instant::min)
    }

    fn update(&mut self, participants: Vec<proto::ParticipantInfo>) {
        for info in participants.into_iter().filter(|info| info.identity != self.identity) {
            if info.state() == proto::participant_info::State::Disconnected {
                self.others.remove(&info.sid);
            } else {
                self.others.insert(info.sid.clone(), info);
            }
        }
    }

    fn speak(&mut self, changed: proto::SpeakersChanged) {
        for speaker in changed.speakers {
            let name = self.others.get(&speaker.sid).map(|info| info.identity.clone());
            let name = name.unwrap_or_else(|| self.identity.clone());
            self.speakers.retain(|other| *other != name);
            if speaker.active {
                self.speakers.push(name);
            }
        }
    }

    fn published(&mut self, now: Instant, published: proto::TrackPublishedResponse) {
        let track = published.track.expect("a track");
        let Some(publication) = self.publications.iter_mut().find(|p| p.cid == published.cid)
        else {
            panic!("a track was published that {} did not add", self.identity);
        };
        publication.sid = Some(track.sid);
        if self.publications.iter().all(|p| p.sid.is_some()) {
            self.negotiate(now);
        }
    }

    fn negotiate(&mut self, now: Instant) {
        let mut changes = self.publisher.rtc.sdp_api();
        if self.channels.is_empty() {
            let reliable = changes.add_channel("_reliable".to_owned());
            let lossy = changes.add_channel_with_config(ChannelConfig {
                label: "_lossy".to_owned(),
                ordered: false,
                reliability: Reliability::MaxRetransmits { retransmits: 0 },
                ..Default::default()
            });
            self.channels = HashMap::from([("_reliable", reliable), ("_lossy", lossy)]);
        }
        for publication in self.publications.iter_mut().filter(|p| p.mid.is_none()) {
            publication.offer(&mut changes);
        }
        let (offer, pending) = changes.apply().expect("something to offer");
        self.pending = Some(pending);
        self.offer_id += 1;
        self.requests.push(signal_request::Message::Offer(proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp: offer.to_sdp_string(),
            id: self.offer_id,
            ..Default::default()
        }));
        self.publisher.poll(now);
    }

    fn accept(&mut self, now: Instant, answer: &proto::SessionDescription) {
        assert_eq!(answer.id, self.offer_id, "the answer's id is the offer's");
        let pending = self.pending.take().expect("an offer in flight");
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp)
            .unwrap_or_else(|error| panic!("an answer that str0m reads: {error}\n{}", answer.sdp));
        let accepted = self.publisher.rtc.sdp_api().accept_answer(pending, parsed);
        accepted.unwrap_or_else(|error| panic!("{error}: {}", answer.sdp));
        self.publisher.poll(now);
        for publication in &mut self.publications {
            publication.start(now, &mut self.publisher);
        }
    }

    fn answer(&mut self, now: Instant, offer: &proto::SessionDescription) {
        if self.rejects {
            return self.reply(offer.id, rejection_of(&offer.sdp));
        }
        self.learn_tracks(&offer.sdp);
        let parsed = SdpOffer::from_sdp_string(&offer.sdp)
            .unwrap_or_else(|error| panic!("an offer that str0m reads: {error}\n{}", offer.sdp));
        let answer = self.subscriber.rtc.sdp_api().accept_offer(parsed);
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", offer.sdp));
        self.reply(offer.id, answer.to_sdp_string());
        self.subscriber.poll(now);
    }

    fn reply(&mut self, id: u32, sdp: String) {
        let r#type = "answer".to_owned();
        let answer = proto::SessionDescription { r#type, sdp, id, ..Default::default() };
        self.requests.push(signal_request::Message::Answer(answer));
    }

    /// Which mid carries whose track: `a=msid:PA_x|stream TR_y`.
    fn learn_tracks(&mut self, sdp: &str) {
        for section in sdp.split("\r\nm=").skip(1) {
            let value = |name: &str| {
                section.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
            };
            let kind = if section.starts_with("audio") { Kind::Audio } else { Kind::Video };
            let (Some(mid), Some(msid)) = (value("a=mid:"), value("a=msid:")) else { continue };
            let sid = msid.split('|').next().expect("a participant in the msid");
            if let Some(info) = self.others.get(sid) {
                self.tracks.insert(mid, (info.identity.clone(), kind));
            }
        }
    }

    fn publisher_event(&mut self, event: &Event) {
        let Event::KeyframeRequest(request) = event else { return };
        self.keyframe_requests += 1;
        let rid = request.rid.map(|rid| rid.to_string()).unwrap_or_default();
        for publication in &mut self.publications {
            if publication.mid == Some(request.mid) {
                publication.refresh(&rid);
            }
        }
    }

    fn subscriber_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::MediaData(media) => {
                let Some(track) = self.tracks.get(&media.mid.to_string()) else {
                    panic!("media on mid {} that no offer named", media.mid);
                };
                self.received.entry(track.clone()).or_default().record(now, &media.data);
            }
            Event::RtpPacket(packet) => {
                self.screens.receive(now, &mut self.subscriber, &self.tracks, &packet);
            }
            Event::ChannelOpen(id, label) => {
                self.labels.insert(id, label);
            }
            Event::ChannelData(data) => {
                let label = self.labels.get(&data.id).cloned().unwrap_or_default();
                self.data.push((label, data.data));
            }
            _ => {}
        }
    }

    fn send_media(&mut self, now: Instant) {
        for publication in &mut self.publications {
            publication.send(now, &mut self.publisher);
        }
    }
}

/// How long a signalling message takes.
pub(crate) const SIGNAL_DELAY: Duration = Duration::from_millis(20);
