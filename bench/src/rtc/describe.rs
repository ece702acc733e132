//! Our side of a session description: an offer of tracks, or an answer that takes what is there.

use super::connection::Local;
use super::sdp::{Kind, Remote, Section, Setup};
use std::fmt::Write as _;

/// How loud a packet of sound is (RFC 6464).
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// Which m-line a packet is of (RFC 8843, section 15).
pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Which layer a packet is of (RFC 8852).
pub(crate) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// Numbers of these in our offers.
const NUMBERS: [(u8, &str); 3] = [(1, AUDIO_LEVEL), (2, MID), (3, RID)];

/// A track that we offer to send, or to receive.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    /// Sound or pictures.
    pub(crate) kind: Kind,
    /// The m-line's name.
    pub(crate) mid: String,
    /// The track's name, as signalling knows it.
    pub(crate) track: String,
    /// Its SSRC, of those that are sent in one layer; `None` offers to receive.
    pub(crate) ssrc: Option<u32>,
    /// Names of layers, the largest first, if there are several.
    pub(crate) rids: Vec<&'static str>,
}

impl Local {
    /// Offers these tracks.
    pub(crate) fn offer(&self, tracks: &[Offered]) -> String {
        let mut text = self.head(tracks.iter().map(|track| track.mid.as_str()));
        for track in tracks {
            let number = payload_type(track.kind);
            self.media(&mut text, track.kind, &track.mid, number, "actpass");
            for (id, uri) in NUMBERS {
                let suits = match uri {
                    AUDIO_LEVEL => track.kind == Kind::Audio,
                    RID => !track.rids.is_empty(),
                    _ => true,
                };
                if suits {
                    line(&mut text, format_args!("a=extmap:{id} {uri}"));
                }
            }
            let Some(ssrc) = track.ssrc else {
                line(&mut text, format_args!("a=recvonly"));
                continue;
            };
            line(&mut text, format_args!("a=sendonly"));
            line(&mut text, format_args!("a=msid:- {}", track.track));
            if track.rids.is_empty() {
                line(&mut text, format_args!("a=ssrc:{ssrc} cname:{}", self.ufrag));
            }
            for rid in &track.rids {
                line(&mut text, format_args!("a=rid:{rid} send"));
            }
            if !track.rids.is_empty() {
                line(&mut text, format_args!("a=simulcast:send {}", track.rids.join(";")));
            }
        }

        text
    }

    /// Takes every track that the server offers to send in our codecs; refuses the rest.
    pub(crate) fn answer(&self, remote: &Remote) -> String {
        let taken = |section: &&Section| {
            !section.rejected && (section.payload_type.is_some() || is_data(section))
        };
        let mids = remote.sections.iter().filter(taken).map(|section| section.mid.as_str());
        let mut text = self.head(mids);
        let setup = if remote.setup == Setup::Active { "passive" } else { "active" };
        for section in &remote.sections {
            let (media, proto, formats) = &section.line;
            if is_data(section) && taken(&section) {
                line(&mut text, format_args!("m={media} 9 {proto} {formats}"));
                line(&mut text, format_args!("c=IN IP4 0.0.0.0"));
                self.transport(&mut text, &section.mid, setup);
                line(&mut text, format_args!("a=sctp-port:5000"));
                continue;
            }
            let (Some(kind), Some(number), true) =
                (section.kind, section.payload_type, taken(&section))
            else {
                line(&mut text, format_args!("m={media} 0 {proto} {formats}"));
                line(&mut text, format_args!("c=IN IP4 0.0.0.0"));
                line(&mut text, format_args!("a=mid:{}", section.mid));
                line(&mut text, format_args!("a=inactive"));
                continue;
            };
            self.media(&mut text, kind, &section.mid, number, setup);
            let direction = if section.sends { "recvonly" } else { "inactive" };
            line(&mut text, format_args!("a={direction}"));
            for (id, uri) in &section.extensions {
                if [AUDIO_LEVEL, MID].contains(&uri.as_str()) {
                    line(&mut text, format_args!("a=extmap:{id} {uri}"));
                }
            }
        }

        text
    }

    fn head<'a>(&self, mids: impl Iterator<Item = &'a str>) -> String {
        let mut text = String::with_capacity(1_024);
        line(&mut text, format_args!("v=0"));
        line(&mut text, format_args!("o=- {} 1 IN IP4 127.0.0.1", self.session));
        line(&mut text, format_args!("s=-"));
        line(&mut text, format_args!("t=0 0"));
        let bundle = mids.fold(String::new(), |bundle, mid| bundle + " " + mid);
        line(&mut text, format_args!("a=group:BUNDLE{bundle}"));
        line(&mut text, format_args!("a=msid-semantic:WMS *"));

        text
    }

    fn media(&self, text: &mut String, kind: Kind, mid: &str, number: u8, setup: &str) {
        let (ip, port) = (self.address.ip(), self.address.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        line(text, format_args!("m={} {port} UDP/TLS/RTP/SAVPF {number}", kind.name()));
        line(text, format_args!("c=IN {family} {ip}"));
        line(text, format_args!("a=rtcp:{port} IN {family} {ip}"));
        self.transport(text, mid, setup);
        line(text, format_args!("a=rtcp-mux"));
        line(text, format_args!("a=rtpmap:{number} {}", kind.codec()));
        if kind == Kind::Video {
            // No NACK: what is lost stays lost, and is counted.
            line(text, format_args!("a=rtcp-fb:{number} ccm fir"));
            line(text, format_args!("a=rtcp-fb:{number} nack pli"));
        }
    }

    fn transport(&self, text: &mut String, mid: &str, setup: &str) {
        let (ip, port) = (self.address.ip(), self.address.port());
        let fingerprint: Vec<_> =
            self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
        line(text, format_args!("a=mid:{mid}"));
        line(text, format_args!("a=ice-ufrag:{}", self.ufrag));
        line(text, format_args!("a=ice-pwd:{}", self.password));
        line(text, format_args!("a=fingerprint:sha-256 {}", fingerprint.join(":")));
        line(text, format_args!("a=setup:{setup}"));
        line(text, format_args!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host"));
        line(text, format_args!("a=end-of-candidates"));
    }
}

/// Whether an m-line is that of data channels (RFC 8841).
fn is_data(section: &Section) -> bool {
    let (media, proto, _) = &section.line;

    media == "application" && proto.ends_with("/DTLS/SCTP")
}

/// The payload type that we offer.
fn payload_type(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 111,
        Kind::Video => 96,
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = text.write_fmt(arguments);
    text.push_str("\r\n");
}
