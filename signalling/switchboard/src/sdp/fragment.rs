//! Fragments of session descriptions: trickled candidates, ICE restarts (RFC 8840, section 9).

use super::SdpError;
use super::parse::{ice_pwd, ice_ufrag};
use super::write::{candidates, media_name};
use super::{Description, SectionKind};
use relay_wire::control::Opened;
use std::fmt::Write as _;

/// Bytes of a fragment that is read.
pub const FRAGMENT_BYTES_MAX: usize = 64 * 1024;

/// What a fragment says of ICE; its candidates do not matter to an ICE-lite server, which learns
/// addresses from checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// User name fragment and password of the generation that it is about, if it names one.
    pub credentials: Option<(String, String)>,
}

impl Fragment {
    /// Reads a fragment.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > FRAGMENT_BYTES_MAX {
            return Err(SdpError::TooLarge);
        }
        let (mut ufrag, mut pwd) = (None, None);
        let mut known = false;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (kind, value) = line.split_once('=').ok_or(SdpError::Malformed)?;
            if kind.len() != 1 || !kind.bytes().all(|byte| byte.is_ascii_lowercase()) {
                return Err(SdpError::Malformed);
            }
            let (name, value) = value.split_once(':').unwrap_or((value, ""));
            known |= kind == "a" && (name == "candidate" || name == "end-of-candidates");
            match (kind, name) {
                // Every m-line of a bundle says the same: the first one counts.
                ("a", "ice-ufrag") => ufrag = ufrag.or(Some(value)),
                ("a", "ice-pwd") => pwd = pwd.or(Some(value)),
                _ => {}
            }
        }

        match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => {
                let ufrag = ice_ufrag(ufrag.trim()).ok_or(SdpError::Transport)?;
                let pwd = ice_pwd(pwd.trim()).ok_or(SdpError::Transport)?;
                Ok(Self { credentials: Some((ufrag, pwd)) })
            }
            (None, None) if known => Ok(Self { credentials: None }),
            (None, None) => Err(SdpError::Malformed),
            (Some(_), None) | (None, Some(_)) => Err(SdpError::Transport),
        }
    }
}

/// Our side after an ICE restart: new credentials and all candidates, on the first live m-line of
/// `offer`, which stands for the whole bundle (RFC 9725, section 4.3.3).
pub fn restarted(offer: &Description, opened: &Opened) -> String {
    let live = offer.sections.iter().find(|section| !section.rejected_in_offer());
    let mut text = String::from("a=ice-lite\r\n");
    if let Some(section) = live {
        let media = match section.kind {
            SectionKind::Media(kind) => media_name(kind),
            SectionKind::Data | SectionKind::Other => section.media.as_str(),
        };
        // Writing to a `String` cannot fail.
        let (proto, formats, mid) = (&section.proto, &section.formats, &section.mid);
        let _ = write!(text, "m={media} 9 {proto} {formats}\r\na=mid:{mid}\r\n");
    }
    let (ufrag, pwd) = (&opened.ufrag, &opened.pwd);
    let _ = write!(text, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    for line in candidates(opened) {
        let _ = write!(text, "{line}\r\n");
    }

    text
}
