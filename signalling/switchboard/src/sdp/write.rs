//! Writes session descriptions line by line.

use super::extensions;
use super::model::{Direction, MediaKind};
use relay_wire::control::{Extensions, Hash, Opened};
use std::fmt::{self, Write as _};

/// Type preference of host candidates over UDP (RFC 8445, section 5.1.2.2).
const UDP_HOST: u32 = 126;
/// The same over TCP: below every UDP candidate but relayed ones (RFC 6544, section 4.2).
const TCP_HOST: u32 = 90;
/// Direction preference of passive host candidates (RFC 6544, section 4.2).
const PASSIVE: u32 = 4;
/// The highest other-preference: 13 bits (RFC 6544, section 4.2).
const OTHER_MAX: u32 = 8_191;

/// Our side of a session description.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// The transport as the relay opened it.
    pub transport: &'a Opened,
    /// Session id of the `o=` line, below 2^63.
    pub session: u64,
    /// Version of the `o=` line: grows with each description.
    pub version: u64,
    /// `a=max-message-size`, bytes.
    pub data_message_bytes: u32,
}

/// A session description in the making.
pub(super) struct Writer<'a> {
    local: Local<'a>,
    setup: &'static str,
    text: String,
    candidates_written: bool,
}

impl<'a> Writer<'a> {
    /// Starts with the session level; `bundle` names the m-lines that share the transport, `mixed`
    /// says whether both forms of header extensions may come (RFC 8285, section 6).
    pub(super) fn new(local: Local<'a>, setup: &'static str, bundle: &[&str], mixed: bool) -> Self {
        let mut writer =
            Self { local, setup, text: String::with_capacity(2048), candidates_written: false };
        writer.line(format_args!("v=0"));
        let (session, version) = (local.session, local.version);
        writer.line(format_args!("o=- {session} {version} IN IP4 127.0.0.1"));
        writer.line(format_args!("s=-"));
        writer.line(format_args!("t=0 0"));
        if !bundle.is_empty() {
            writer.line(format_args!("a=group:BUNDLE {}", bundle.join(" ")));
        }
        if mixed {
            writer.line(format_args!("a=extmap-allow-mixed"));
        }
        writer.line(format_args!("a=msid-semantic:WMS *"));
        writer.line(format_args!("a=ice-lite"));
        writer
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Writes one line; the arguments hold no line breaks, since parsed values never do.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.push_str("\r\n");
    }

    /// An m-line of sound or pictures with its transport.
    pub(super) fn media(
        &mut self,
        kind: MediaKind,
        mid: &str,
        numbers: &[u8],
        direction: Direction,
    ) {
        let media = media_name(kind);
        let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
        self.line(format_args!("m={media} 9 UDP/TLS/RTP/SAVPF {}", numbers.join(" ")));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        self.line(format_args!("a=rtcp:9 IN IP4 0.0.0.0"));
        self.transport(mid);
        self.line(format_args!("a={}", direction.name()));
        self.line(format_args!("a=rtcp-mux"));
    }

    /// An m-line of data channels with its transport (RFC 8841).
    pub(super) fn data(&mut self, proto: &str, mid: &str) {
        self.line(format_args!("m=application 9 {proto} webrtc-datachannel"));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        self.transport(mid);
        self.line(format_args!("a=sctp-port:5000"));
        let bytes = self.local.data_message_bytes;
        self.line(format_args!("a=max-message-size:{bytes}"));
    }

    /// An m-line that is given up.
    pub(super) fn rejected(&mut self, media: &str, proto: &str, formats: &str, mid: &str) {
        self.line(format_args!("m={media} 0 {proto} {formats}"));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        self.line(format_args!("a=mid:{mid}"));
        self.line(format_args!("a=inactive"));
    }

    pub(super) fn extensions(&mut self, extensions: &Extensions) {
        for (uri, id) in extensions::entries(extensions) {
            self.line(format_args!("a=extmap:{id} {uri}"));
        }
    }

    fn transport(&mut self, mid: &str) {
        let opened = self.local.transport;
        self.line(format_args!("a=mid:{mid}"));
        self.line(format_args!("a=ice-ufrag:{}", opened.ufrag));
        self.line(format_args!("a=ice-pwd:{}", opened.pwd));
        let hash = match opened.fingerprint.hash {
            Hash::Sha256 => "sha-256",
            Hash::Sha384 => "sha-384",
            Hash::Sha512 => "sha-512",
        };
        let digest: Vec<String> =
            opened.fingerprint.digest.iter().map(|byte| format!("{byte:02X}")).collect();
        self.line(format_args!("a=fingerprint:{hash} {}", digest.join(":")));
        let setup = self.setup;
        self.line(format_args!("a=setup:{setup}"));
        // All m-lines share the first one's candidates (RFC 9143, section 7.1.3).
        if !self.candidates_written {
            self.candidates_written = true;
            for line in candidates(opened) {
                self.line(format_args!("{line}"));
            }
        }
    }
}

/// Host candidates (RFC 8839, section 5.1; RFC 6544, section 4.5), those over UDP preferred.
pub(super) fn candidates(opened: &Opened) -> Vec<String> {
    let mut lines = Vec::with_capacity(opened.candidates.len() + opened.candidates_tcp.len() + 1);
    for (index, address) in opened.candidates.iter().enumerate() {
        let (number, ip, port) = (lines.len() + 1, address.ip(), address.port());
        let priority = priority(UDP_HOST, 65_535 - rank(index, 65_535));
        lines.push(format!("a=candidate:{number} 1 udp {priority} {ip} {port} typ host"));
    }
    for (index, address) in opened.candidates_tcp.iter().enumerate() {
        let (number, ip, port) = (lines.len() + 1, address.ip(), address.port());
        let local = (PASSIVE << 13) | (OTHER_MAX - rank(index, OTHER_MAX));
        let priority = priority(TCP_HOST, local);
        lines.push(format!(
            "a=candidate:{number} 1 tcp {priority} {ip} {port} typ host tcptype passive"
        ));
    }
    lines.push("a=end-of-candidates".into());

    lines
}

/// A candidate's place among its like, at most `max`.
fn rank(index: usize, max: u32) -> u32 {
    u32::try_from(index).unwrap_or(max).min(max)
}

/// RFC 8445, section 5.1.2.1, for component 1.
fn priority(kind: u32, local: u32) -> u32 {
    (kind << 24) | (local << 8) | 255
}

pub(super) fn media_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}
