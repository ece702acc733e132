//! What a client sees and hears: a model decoder for each stream that comes.

use crate::model::{Arrived, Decoder};
use crate::peer::Peer;
use crate::publication::codec_of;
use relay_wire::control::{Codec, Kind};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;
use str0m::media::KeyframeRequestKind;
use str0m::rtp::{RtpPacket, Ssrc};

/// One stream of somebody's.
pub struct Screen {
    /// Whose it is.
    pub publisher: String,
    /// What it is.
    pub kind: Kind,
    /// What became of it.
    pub decoder: Decoder,
}

/// The streams of one client, by SSRC.
#[derive(Default)]
pub(crate) struct Screens {
    streams: BTreeMap<Ssrc, Screen>,
}

impl Screens {
    /// Takes a packet; `tracks` says whose each m-line is at this time.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        tracks: &HashMap<String, (String, Kind)>,
        packet: &RtpPacket,
    ) {
        let ssrc = packet.header.ssrc;
        let screen = self.streams.entry(ssrc).or_insert_with(|| {
            let mid = peer.rtc.direct_api().stream_rx(&ssrc).expect("it came on it").mid();
            let Some((name, kind)) = tracks.get(&mid.to_string()) else {
                panic!("media on mid {mid} that no offer named");
            };
            let decoder = Decoder::new(publisher(name, *kind));
            Screen { publisher: name.clone(), kind: *kind, decoder }
        });
        let Some(codec) = codec(peer, packet) else {
            panic!("payload type {} was not agreed", packet.header.payload_type)
        };
        let arrived = Arrived {
            codec,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: &packet.payload,
        };
        screen.decoder.receive(now, &arrived);
        ask(now, ssrc, screen, peer);
    }

    /// Gives up on what does not come.
    pub(crate) fn advance(&mut self, now: Instant, peer: &mut Peer) {
        for (ssrc, screen) in &mut self.streams {
            if screen.decoder.due().is_some_and(|due| due <= now) {
                screen.decoder.advance(now);
                ask(now, *ssrc, screen, peer);
            }
        }
    }

    /// When `advance` is next needed.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.streams.values().filter_map(|screen| screen.decoder.due()).min()
    }

    /// All streams that ever came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Screen> {
        self.streams.values()
    }

    /// The same, to watch for freezes.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Screen> {
        self.streams.values_mut()
    }
}

/// The number that all frames of a source carry.
pub(crate) fn publisher(identity: &str, kind: Kind) -> u32 {
    crc32fast::hash(format!("{identity} {kind:?}").as_bytes())
}

fn codec(peer: &Peer, packet: &RtpPacket) -> Option<Codec> {
    let config = peer.rtc.codec_config();
    let params = config.find(|params| params.pt() == packet.header.payload_type)?;

    codec_of(params.spec().codec)
}

fn ask(now: Instant, ssrc: Ssrc, screen: &mut Screen, peer: &mut Peer) {
    if !screen.decoder.wants_keyframe(now) {
        return;
    }
    if let Some(stream) = peer.rtc.direct_api().stream_rx(&ssrc) {
        stream.request_keyframe(KeyframeRequestKind::Pli);
        peer.poll(now);
    }
}
