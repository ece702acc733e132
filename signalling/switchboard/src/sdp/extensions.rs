//! RTP header extensions (RFC 8285) by their URIs.

use super::model::MediaKind;
use relay_wire::control::{Codec, Extensions};

/// The ids that our own offers give.
pub const OFFERED: Extensions = Extensions {
    mid: Some(4),
    rid: None,
    repaired_rid: None,
    abs_send_time: Some(2),
    transport_cc: None,
    audio_level: Some(1),
    video_orientation: Some(13),
    playout_delay: Some(12),
    dependency_descriptor: Some(8),
};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Those of an m-line's extensions that are understood. Ids beyond 14 would need the two-byte
/// form and are left out.
pub(super) fn understood(offered: &[(u8, String)]) -> Extensions {
    let mut known = Extensions::default();
    for (id, uri) in offered.iter().filter(|(id, _)| (1..=14).contains(id)) {
        let used = entries(&known).iter().any(|(_, taken)| taken == id);
        let slot = match uri.as_str() {
            MID => &mut known.mid,
            RID => &mut known.rid,
            REPAIRED_RID => &mut known.repaired_rid,
            ABS_SEND_TIME => &mut known.abs_send_time,
            TRANSPORT_CC => &mut known.transport_cc,
            AUDIO_LEVEL => &mut known.audio_level,
            VIDEO_ORIENTATION => &mut known.video_orientation,
            PLAYOUT_DELAY => &mut known.playout_delay,
            DEPENDENCY_DESCRIPTOR => &mut known.dependency_descriptor,
            _ => continue,
        };
        if slot.is_none() && !used {
            *slot = Some(*id);
        }
    }
    known
}

/// URIs and ids, for writing.
pub(super) fn entries(extensions: &Extensions) -> Vec<(&'static str, u8)> {
    let all = [
        (AUDIO_LEVEL, extensions.audio_level),
        (ABS_SEND_TIME, extensions.abs_send_time),
        (TRANSPORT_CC, extensions.transport_cc),
        (MID, extensions.mid),
        (RID, extensions.rid),
        (REPAIRED_RID, extensions.repaired_rid),
        (PLAYOUT_DELAY, extensions.playout_delay),
        (DEPENDENCY_DESCRIPTOR, extensions.dependency_descriptor),
        (VIDEO_ORIENTATION, extensions.video_orientation),
    ];
    all.into_iter().filter_map(|(uri, id)| Some((uri, id?))).collect()
}

/// Those that make sense for sound or for pictures.
pub(super) fn for_kind(kind: MediaKind, extensions: Extensions) -> Extensions {
    match kind {
        MediaKind::Audio => {
            let (video_orientation, playout_delay, dependency_descriptor) = (None, None, None);
            Extensions { video_orientation, playout_delay, dependency_descriptor, ..extensions }
        }
        MediaKind::Video => Extensions { audio_level: None, ..extensions },
    }
}

/// Those that make sense for a track in this codec. A receiver that gets dependency descriptors
/// believes them more than the payload, and what we change of VP8's numbers is in the payload.
pub fn for_codec(codec: Codec, extensions: Extensions) -> Extensions {
    match codec {
        Codec::Vp9 | Codec::Av1 => extensions,
        Codec::Opus | Codec::Vp8 | Codec::H264 => {
            Extensions { dependency_descriptor: None, ..extensions }
        }
    }
}
