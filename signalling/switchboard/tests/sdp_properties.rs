//! Whatever a client sends as a session description, nothing breaks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use relay_wire::control::{Codec, Fingerprint, Hash, Opened};
use signalling_switchboard::sdp::{Description, Local, Receive, accepted, answer};

const FIXTURES: [&str; 4] = [
    include_str!("fixtures/chromium-publisher.sdp"),
    include_str!("fixtures/chromium-answer.sdp"),
    include_str!("fixtures/firefox-publisher.sdp"),
    include_str!("fixtures/python-publisher.sdp"),
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(offer) = Description::parse(text) else { return Ok(()) };
    let _ = offer.remote();
    let _ = accepted(&offer, "2", Codec::Vp8);
    let opened = Opened {
        shard: 0,
        ufrag: "00abcdefgh".into(),
        pwd: "0123456789abcdef0123456789abcdef".into(),
        fingerprint: Fingerprint { hash: Hash::Sha256, digest: vec![9; 32] },
        candidates: Vec::new(),
        candidates_tcp: Vec::new(),
    };
    let local = Local { transport: &opened, session: 1, version: 1, data_message_bytes: 65_535 };
    let receive = vec![Some(Receive::default()); offer.sections.len()];
    let codecs = [Codec::Vp8, Codec::H264, Codec::Opus];

    let answered = answer(&offer, local, &codecs, &receive);

    let read = Description::parse(&answered.sdp);
    prop_assert!(read.is_ok(), "unreadable answer: {}", answered.sdp);
    let read = read.unwrap();
    prop_assert_eq!(read.sections.len(), offer.sections.len());
    prop_assert_eq!(answered.facts.len(), offer.sections.len());
    for (ours, theirs) in read.sections.iter().zip(&offer.sections) {
        prop_assert_eq!(&ours.mid, &theirs.mid);
    }
    for facts in answered.facts.iter().flatten() {
        prop_assert!(!facts.codecs.is_empty() && facts.mid.len() <= 16 && facts.rids.len() <= 3);
        prop_assert!(facts.codecs.iter().all(|codec| codec.payload_type < 128));
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_text(text in "\\PC{0,400}") {
        check(&text)?;
    }

    #[test]
    fn lines_of_real_descriptions_in_any_order(
        picks in prop::collection::vec((0usize..4, any::<prop::sample::Index>()), 1..80),
    ) {
        let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        for (fixture, line) in picks {
            let lines: Vec<&str> = FIXTURES[fixture].lines().collect();
            text.push_str(lines[line.index(lines.len())]);
            text.push_str("\r\n");
        }
        check(&text)?;
    }

    #[test]
    fn real_descriptions_with_lines_lost_and_bytes_changed(
        fixture in 0usize..4,
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        changed in prop::collection::vec((any::<prop::sample::Index>(), 0x20u8..0x7f), 0..8),
    ) {
        let mut lines: Vec<&str> = FIXTURES[fixture].lines().collect();
        for index in lost {
            lines.remove(index.index(lines.len()));
        }
        let mut bytes = lines.join("\r\n").into_bytes();
        bytes.extend(b"\r\n");
        for (at, byte) in changed {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&String::from_utf8_lossy(&bytes))?;
    }
}
