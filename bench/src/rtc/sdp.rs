//! What a server's session description says (RFC 8866, RFC 8829), as far as a lean client cares.

use anyhow::{Context, Result, bail};
use sdp_types::{Attribute, Media, Session};
use std::net::{IpAddr, SocketAddr};

/// Candidates that are kept: a server has a few.
const CANDIDATES_MAX: usize = 32;

/// Sound or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

impl Kind {
    /// The name in m-lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The codec that our clients speak, as `a=rtpmap` names it.
    pub(crate) fn codec(self) -> &'static str {
        match self {
            Self::Audio => "opus/48000/2",
            Self::Video => "VP8/90000",
        }
    }
}

/// Who is the client of DTLS (RFC 5763, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The describer is.
    Active,
    /// The describer is not.
    Passive,
    /// The other side chooses.
    ActPass,
}

/// One m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// `None` for what is neither sound nor pictures.
    pub(crate) kind: Option<Kind>,
    /// `a=mid`.
    pub(crate) mid: String,
    /// Media name, protocol and formats, as they stand in the line.
    pub(crate) line: (String, String, String),
    /// Whether the m-line was refused or given up: its port is 0.
    pub(crate) rejected: bool,
    /// The payload type of our codec.
    pub(crate) payload_type: Option<u8>,
    /// `a=extmap`: numbers and URIs.
    pub(crate) extensions: Vec<(u8, String)>,
    /// Whether the describer may send.
    pub(crate) sends: bool,
}

/// The server's side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// `a=ice-ufrag`.
    pub(crate) ufrag: String,
    /// `a=ice-pwd`.
    pub(crate) password: String,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
    /// Whether it only answers checks (RFC 8445, section 2.5).
    pub(crate) lite: bool,
    /// Who begins DTLS.
    pub(crate) setup: Setup,
    /// Addresses for UDP.
    pub(crate) candidates: Vec<SocketAddr>,
    /// In the order of the description.
    pub(crate) sections: Vec<Section>,
}

impl Remote {
    /// Reads a description; an error says what is missing.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let session = Session::parse(text.as_bytes()).context("no session description")?;
        let media: Vec<&Media> = session.medias.iter().collect();
        // Bundled m-lines share the transport of the first that is not given up.
        let first = media.iter().find(|media| media.port != 0);
        let of_media = first.map(|media| &media.attributes[..]).unwrap_or_default();
        let find = |name| value(of_media, name).or_else(|| value(&session.attributes, name));
        let fingerprint = find("fingerprint").context("no a=fingerprint")?;
        let setup = match find("setup").unwrap_or("actpass") {
            "active" => Setup::Active,
            "passive" => Setup::Passive,
            _ => Setup::ActPass,
        };
        let candidates = media
            .iter()
            .flat_map(|media| &media.attributes)
            .filter(|attribute| attribute.attribute == "candidate")
            .filter_map(|attribute| candidate(attribute.value.as_deref()?))
            .take(CANDIDATES_MAX)
            .collect();

        Ok(Self {
            ufrag: find("ice-ufrag").context("no a=ice-ufrag")?.to_owned(),
            password: find("ice-pwd").context("no a=ice-pwd")?.to_owned(),
            fingerprint: read_fingerprint(fingerprint)?,
            lite: session.attributes.iter().any(|a| a.attribute == "ice-lite"),
            setup,
            candidates,
            sections: media.into_iter().map(Section::read).collect(),
        })
    }

    /// The m-line of a track that we offered.
    pub(crate) fn section(&self, mid: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.mid == mid && !section.rejected)
    }
}

impl Section {
    fn read(media: &Media) -> Self {
        let kind = match media.media.as_str() {
            "audio" => Some(Kind::Audio),
            "video" => Some(Kind::Video),
            _ => None,
        };
        let has = |name: &str| media.attributes.iter().any(|a| a.attribute == name);
        let extensions = values(&media.attributes, "extmap").filter_map(|text| {
            let (number, uri) = text.split_once(' ')?;
            let number = number.split('/').next()?.parse().ok()?;
            Some((number, uri.split(' ').next()?.to_owned()))
        });

        Self {
            kind,
            mid: value(&media.attributes, "mid").unwrap_or_default().to_owned(),
            line: (media.media.clone(), media.proto.clone(), media.fmt.clone()),
            rejected: media.port == 0 && !has("bundle-only"),
            payload_type: kind.and_then(|kind| payload_type(&media.attributes, kind.codec())),
            extensions: extensions.collect(),
            sends: !has("recvonly") && !has("inactive"),
        }
    }

    /// The number of a header extension.
    pub(crate) fn extension(&self, uri: &str) -> Option<u8> {
        self.extensions.iter().find(|(_, known)| known == uri).map(|(number, _)| *number)
    }
}

fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter(move |a| a.attribute == name).filter_map(|a| a.value.as_deref())
}

fn value<'a>(attributes: &'a [Attribute], name: &'a str) -> Option<&'a str> {
    values(attributes, name).next().map(str::trim)
}

/// The first payload type with this codec; its name is matched without regard to case.
fn payload_type(attributes: &[Attribute], codec: &str) -> Option<u8> {
    values(attributes, "rtpmap").find_map(|text| {
        let (number, name) = text.split_once(' ')?;
        name.trim().eq_ignore_ascii_case(codec).then(|| number.parse().ok())?
    })
}

/// `HASH XX:XX:...` (RFC 8122, section 5).
fn read_fingerprint(text: &str) -> Result<[u8; 32]> {
    let (hash, digits) = text.split_once(' ').context("a=fingerprint without a digest")?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        bail!("a=fingerprint by {hash}; this client knows sha-256");
    }
    let bytes: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2))
        .collect();

    bytes.and_then(|bytes| bytes.try_into().ok()).context("a=fingerprint is not of 32 bytes")
}

/// A candidate of component 1 over UDP with an address (RFC 8839, section 5.1); names of mDNS and
/// candidates over TCP are not for us.
fn candidate(text: &str) -> Option<SocketAddr> {
    let mut fields = text.split_whitespace().skip(1);
    let component: u16 = fields.next()?.parse().ok()?;
    let transport = fields.next()?;
    let ip: IpAddr = fields.nth(1)?.parse().ok()?;
    let port = fields.next()?.parse().ok().filter(|&port: &u16| port != 0)?;

    (component == 1 && transport.eq_ignore_ascii_case("udp")).then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FINGERPRINT: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:\
                               16:17:18:19:1A:1B:1C:1D:1E:1F";

    fn answer() -> String {
        let lines = [
            "v=0",
            "o=- 1 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=ice-lite",
            "a=group:BUNDLE 0 1",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=mid:d",
            "m=video 9 UDP/TLS/RTP/SAVPF 97 96",
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:0123456789012345678901",
            &format!("a=fingerprint:SHA-256 {FINGERPRINT}"),
            "a=setup:passive",
            "a=recvonly",
            "a=rtpmap:97 H264/90000",
            "a=rtpmap:96 vp8/90000",
            "a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=candidate:1 1 udp 2130706431 192.0.2.7 3478 typ host",
            "a=candidate:2 1 tcp 1 192.0.2.7 3478 typ host tcptype passive",
            "a=candidate:3 1 udp 1 host.local 3478 typ host",
            "a=candidate:4 1 UDP 1 2001:db8::7 3479 typ host",
        ];

        lines.map(|line| format!("{line}\r\n")).concat()
    }

    #[test]
    fn transport_and_sections_are_read() {
        let remote = Remote::read(&answer()).unwrap();

        assert_eq!((remote.ufrag.as_str(), remote.lite), ("abcd", true));
        assert_eq!(remote.fingerprint[31], 0x1f);
        assert_eq!(remote.setup, Setup::Passive);
        let addresses = ["192.0.2.7:3478", "[2001:db8::7]:3479"].map(|a| a.parse().unwrap());
        assert_eq!(remote.candidates, addresses);
        let section = remote.section("0").unwrap();
        assert_eq!((section.kind, section.payload_type), (Some(Kind::Video), Some(96)));
        assert_eq!(section.extension("urn:ietf:params:rtp-hdrext:sdes:mid"), Some(3));
        assert!(!section.sends && remote.section("d").is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, words) in [
            ("a=ice-ufrag:abcd\r\n", "no a=ice-ufrag"),
            ("a=ice-pwd:0123456789012345678901\r\n", "no a=ice-pwd"),
            (":1F", "not of 32 bytes"),
            ("SHA-256", "knows sha-256"),
        ] {
            let replacement = if line == "SHA-256" { "sha-1" } else { "" };
            let error = Remote::read(&answer().replace(line, replacement)).unwrap_err();
            assert!(error.to_string().contains(words), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,400}") {
            let _ = Remote::read(&text);
        }

        #[test]
        fn changed_descriptions_are_read_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = answer().into_bytes();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(remote) = Remote::read(&String::from_utf8_lossy(&bytes)) {
                prop_assert!(remote.candidates.len() <= CANDIDATES_MAX);
            }
        }
    }
}
