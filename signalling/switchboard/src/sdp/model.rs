//! A session description as far as it matters here.

use relay_wire::control::{Fingerprint, Kind, Remote};

/// Audio or video.
pub type MediaKind = Kind;

/// A session description.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its m-lines with what the session level says filled in.
    pub sections: Vec<Section>,
    /// Whether one-byte and two-byte header extensions may be mixed: `a=extmap-allow-mixed` at
    /// session level (RFC 8285, section 6).
    pub mixed_extensions: bool,
}

impl Description {
    /// ICE credentials and certificate of whoever wrote it: those of its first live m-line.
    pub fn remote(&self) -> Option<Remote> {
        let live = |section: &&Section| !section.rejected_in_offer();
        self.sections.iter().filter(live).find_map(|section| {
            Some(Remote {
                ufrag: section.ufrag.clone()?,
                pwd: section.pwd.clone()?,
                fingerprint: section.fingerprint.clone()?,
            })
        })
    }
}

/// What an m-line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// RTP over DTLS-SRTP.
    Media(MediaKind),
    /// Data channels (RFC 8841).
    Data,
    /// Something that is not spoken here.
    Other,
}

/// An m-line with its attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// What it is about.
    pub kind: SectionKind,
    /// Media type as written.
    pub media: String,
    /// Transport protocol as written.
    pub proto: String,
    /// Formats as written.
    pub formats: String,
    /// Port as written.
    pub port: u16,
    /// `a=bundle-only` (RFC 9143, section 6): port 0 does not mean rejected then.
    pub bundle_only: bool,
    /// `a=mid`.
    pub mid: String,
    /// Direction, as seen from whoever wrote it.
    pub direction: Direction,
    /// `a=setup` (RFC 8842).
    pub setup: Option<Setup>,
    /// `a=ice-ufrag`.
    pub ufrag: Option<String>,
    /// `a=ice-pwd`.
    pub pwd: Option<String>,
    /// The strongest `a=fingerprint` that is understood.
    pub fingerprint: Option<Fingerprint>,
    /// Payload types in the order of the m-line.
    pub payloads: Vec<Payload>,
    /// Header extensions: id and URI.
    pub extensions: Vec<(u8, String)>,
    /// Announced SSRCs, in order, without those of retransmissions.
    pub ssrcs: Vec<u32>,
    /// `a=ssrc-group:FID`: an SSRC and the one of its retransmissions.
    pub retransmissions: Vec<(u32, u32)>,
    /// `a=msid`: stream and track.
    pub msid: Option<(String, String)>,
    /// Layers of simulcast that are sent, low to high as written; empty without simulcast.
    pub rids: Vec<String>,
    /// `a=rtcp-rsize` (RFC 5506).
    pub reduced_size: bool,
}

impl Section {
    /// Whether an offer has given up this m-line.
    pub fn rejected_in_offer(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// Whether whoever wrote it sends on it.
    pub fn sends(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::SendRecv)
    }

    /// Whether whoever wrote it receives on it.
    pub fn receives(&self) -> bool {
        matches!(self.direction, Direction::RecvOnly | Direction::SendRecv)
    }
}

/// A payload type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    /// Its number, 0..=127.
    pub number: u8,
    /// Encoding name as written.
    pub name: String,
    /// Clock rate, Hz.
    pub clock: u32,
    /// Format parameters as written.
    pub parameters: String,
    /// `a=rtcp-fb` values as written.
    pub feedback: Vec<String>,
}

impl Payload {
    /// A format parameter's value; names are compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.trim().split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Direction of an m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways; what is meant when nothing is said.
    SendRecv,
    /// Its writer sends.
    SendOnly,
    /// Its writer receives.
    RecvOnly,
    /// Nothing flows.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// Who starts the DTLS handshake (RFC 8842, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either.
    ActPass,
    /// Its writer is the DTLS client.
    Active,
    /// Its writer is the DTLS server.
    Passive,
}
