//! One function per fuzz target: bytes of a stranger go in, and what must hold then is asserted.
//!
//! The targets in `tests/fuzz` and the replay of their seeds share them.
#![allow(dead_code, reason = "a fuzz target uses its own function only")]

#[path = "../opened/mod.rs"]
mod opened;

use relay_wire::control::Codec;
use signalling_switchboard::sdp::{
    self, Description, FRAGMENT_BYTES_MAX, Fragment, Local, Receive, SDP_BYTES_MAX,
};

/// A target's function.
pub(crate) type Target = fn(&[u8]);

/// All targets by name: `tests/fuzz/fuzz_targets/NAME.rs`, `tests/fuzz/seeds/NAME/`.
pub(crate) const TARGETS: [(&str, Target); 2] = [("fragment", fragment), ("sdp", description)];

const CODECS: [Codec; 5] = Codec::ALL;

/// Fragments of session descriptions, as `PATCH` brings them.
pub(crate) fn fragment(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(Fragment { credentials }) = Fragment::parse(&text) else { return };
    assert!(text.len() <= FRAGMENT_BYTES_MAX);
    let Some((ufrag, pwd)) = credentials else { return };
    // RFC 8839, section 5.4; what is taken can be written and is read as the same.
    assert!((4..=256).contains(&ufrag.len()) && (22..=256).contains(&pwd.len()));
    let again = Fragment::parse(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n"));
    assert_eq!(again, Ok(Fragment { credentials: Some((ufrag, pwd)) }));
}

/// Offers: what is answered can be read, line by line for the offer.
pub(crate) fn description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(offer) = Description::parse(&text) else { return };
    assert!(text.len() <= SDP_BYTES_MAX);
    let opened = opened::opened();
    let local = || Local { transport: &opened, session: 1, version: 1, data_message_bytes: 65_535 };
    let receive = vec![Some(Receive::default()); offer.sections.len()];
    let answer = sdp::answer(&offer, local(), &CODECS, &receive).sdp;
    let played = sdp::play(&offer, local(), &CODECS, &[]);
    for text in [answer, played] {
        let read = Description::parse(&text).expect("what we write, we read");
        let mids = |d: &Description| d.sections.iter().map(|m| m.mid.clone()).collect::<Vec<_>>();
        assert_eq!(mids(&read), mids(&offer));
    }
    Fragment::parse(&sdp::restarted(&offer, &opened)).expect("what we write, we read");
}
