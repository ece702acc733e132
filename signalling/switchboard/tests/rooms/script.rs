//! What scripted clients say: session descriptions and requests.

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{TrackSource, TrackType, VideoLayer, VideoQuality};
use std::fmt::Write as _;

const FINGERPRINT: &str = "sha-256 02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:\
                           02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02";

/// An m-line of a publisher's offer.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) mid: &'a str,
    pub(crate) video: bool,
    pub(crate) cid: &'a str,
    pub(crate) direction: &'a str,
}

impl<'a> Line<'a> {
    pub(crate) fn video(mid: &'a str, cid: &'a str) -> Self {
        Self { mid, video: true, cid, direction: "sendonly" }
    }

    pub(crate) fn audio(mid: &'a str, cid: &'a str) -> Self {
        Self { video: false, ..Self::video(mid, cid) }
    }

    pub(crate) fn inactive(self) -> Self {
        Self { direction: "inactive", ..self }
    }
}

/// A publisher's offer with a data channel line and these.
pub(crate) fn offer(id: u32, lines: &[Line<'_>], ufrag: &str) -> Say {
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{ufrag}passwordpasswordpassword\r\n\
         a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"
    );
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
    let _ = write!(sdp, "{data}{transport}a=mid:0\r\na=sctp-port:5000\r\n");
    for Line { mid, video, cid, direction } in lines {
        let (media, maps) = if *video {
            (
                "video 9 UDP/TLS/RTP/SAVPF 96 97 108 109 45 46 98 99",
                "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
                 a=fmtp:97 apt=96\r\na=rtpmap:108 H264/90000\r\na=fmtp:108 packetization-mode=1;\
                 profile-level-id=42e01f\r\na=rtpmap:109 rtx/90000\r\na=fmtp:109 apt=108\r\n\
                 a=rtpmap:45 AV1/90000\r\na=fmtp:45 level-idx=5;profile=0;tier=0\r\n\
                 a=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\na=rtpmap:98 VP9/90000\r\n\
                 a=fmtp:98 profile-id=0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
                 a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/\
                 #dependency-descriptor-rtp-header-extension\r\n\
                 a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n",
            )
        } else {
            ("audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2\r\n")
        };
        let _ = write!(
            sdp,
            "m={media}\r\n{transport}a=mid:{mid}\r\na={direction}\r\na=msid:- {cid}\r\n\
             a=rtcp-mux\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n{maps}"
        );
    }
    Say::Offer(proto::SessionDescription { r#type: "offer".into(), sdp, id, ..Default::default() })
}

/// What a WHIP client offers: sound, and pictures in three layers.
pub(crate) fn publisher_offer(ufrag: &str) -> String {
    let lines = [Line::audio("0", "mic"), Line::video("1", "cam")];
    media_only(&lines, ufrag)
}

/// What a WHEP client offers.
pub(crate) fn player_offer(ufrag: &str) -> String {
    let receive = |line| Line { direction: "recvonly", ..line };
    let lines = [receive(Line::audio("0", "-")), receive(Line::video("1", "-"))];
    let ours = ["a=msid", "a=rid", "a=simulcast"];
    let sdp = media_only(&lines, ufrag);
    let kept = sdp.lines().filter(|line| !ours.iter().any(|own| line.starts_with(own)));
    kept.flat_map(|line| [line, "\r\n"]).collect()
}

fn media_only(lines: &[Line<'_>], ufrag: &str) -> String {
    let Say::Offer(offer) = offer(1, lines, ufrag) else { return String::new() };
    let (head, rest) = offer.sdp.split_once("m=application").unwrap_or((&offer.sdp, ""));
    let media = rest.find("m=").map_or("", |at| &rest[at..]);
    format!("{head}{media}")
}

/// A subscriber's answer that takes everything.
pub(crate) fn answer_to(offer: &str, ufrag: &str) -> String {
    let ours = ["a=ssrc", "a=msid", "a=candidate", "a=end-of", "a=ice-lite"];
    let mut answer = String::new();
    for line in offer.lines().filter(|line| !ours.iter().any(|own| line.starts_with(own))) {
        let line = match line {
            "a=sendonly" => "a=recvonly".into(),
            "a=setup:passive" => "a=setup:active".into(),
            _ if line.starts_with("a=ice-ufrag") => format!("a=ice-ufrag:{ufrag}"),
            _ if line.starts_with("a=ice-pwd") => {
                format!("a=ice-pwd:{ufrag}passwordpasswordpassword")
            }
            _ if line.starts_with("a=fingerprint") => format!("a=fingerprint:{FINGERPRINT}"),
            _ => line.to_owned(),
        };
        answer.push_str(&line);
        answer.push_str("\r\n");
    }
    answer
}

/// A camera with three layers.
pub(crate) fn camera(cid: &str) -> proto::AddTrackRequest {
    let layer = |quality: VideoQuality, width, height| VideoLayer {
        quality: quality as i32,
        width,
        height,
        ..Default::default()
    };
    proto::AddTrackRequest {
        cid: cid.into(),
        name: "camera".into(),
        r#type: TrackType::Video as i32,
        source: TrackSource::Camera as i32,
        width: 1280,
        height: 720,
        layers: vec![
            layer(VideoQuality::Low, 320, 180),
            layer(VideoQuality::Medium, 640, 360),
            layer(VideoQuality::High, 1280, 720),
        ],
        ..Default::default()
    }
}

pub(crate) fn microphone(cid: &str) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: cid.into(),
        name: "microphone".into(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        ..Default::default()
    }
}

pub(crate) fn leave_of(messages: &[Message]) -> Option<proto::LeaveRequest> {
    messages.iter().find_map(|message| match message {
        Message::Leave(leave) => Some(leave.clone()),
        _ => None,
    })
}

/// What was last said of a participant.
pub(crate) fn info_of(messages: &[Message], identity: &str) -> Option<proto::ParticipantInfo> {
    messages.iter().rev().find_map(|message| match message {
        Message::Update(update) => {
            update.participants.iter().find(|info| info.identity == identity).cloned()
        }
        _ => None,
    })
}

pub(crate) fn offers(messages: &[Message]) -> Vec<&proto::SessionDescription> {
    let offers = messages.iter().filter_map(|message| match message {
        Message::Offer(offer) => Some(offer),
        _ => None,
    });
    offers.collect()
}

pub(crate) fn answers(messages: &[Message]) -> Vec<&proto::SessionDescription> {
    let answers = messages.iter().filter_map(|message| match message {
        Message::Answer(answer) => Some(answer),
        _ => None,
    });
    answers.collect()
}
