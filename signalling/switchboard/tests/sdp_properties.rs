//! Whatever a client sends as a session description, nothing breaks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod opened;

use opened::opened;
use proptest::prelude::*;
use relay_wire::control::Codec;
use signalling_switchboard::sdp::{
    Description, Fragment, Local, Receive, accepted, answer, restarted,
};

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
    let opened = opened();
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

    #[test]
    fn fragments_of_any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        lines in prop::collection::vec((0usize..7, "[ -~]{0,12}"), 0..12),
    ) {
        let _ = Fragment::parse(&String::from_utf8_lossy(&bytes));
        let starts =
            ["a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates", "m=", "a", ""];
        let lines = lines.into_iter().map(|(start, rest)| format!("{}{rest}\r\n", starts[start]));
        let _ = Fragment::parse(&lines.collect::<String>());
    }

    #[test]
    fn well_formed_fragments_are_read_back(
        ufrag in "[a-zA-Z0-9+/]{4,256}",
        pwd in "[a-zA-Z0-9+/]{22,256}",
        named in any::<bool>(),
        above in any::<bool>(),
        candidates in prop::collection::vec((any::<u32>(), any::<[u8; 4]>(), 1u16..), 0..8),
        end in prop::sample::select(vec!["\r\n", "\n"]),
    ) {
        let credentials = [format!("a=ice-ufrag:{ufrag}"), format!("a=ice-pwd:{pwd}")];
        let mut lines = vec!["m=audio 9 UDP/TLS/RTP/SAVPF 0".to_owned(), "a=mid:0".to_owned()];
        if named {
            let at = if above { 0 } else { lines.len() };
            lines.splice(at..at, credentials);
        }
        for (priority, address, port) in candidates {
            let address = std::net::Ipv4Addr::from(address);
            lines.push(format!("a=candidate:1 1 udp {priority} {address} {port} typ host"));
        }
        lines.push("a=end-of-candidates".into());
        let text: String = lines.iter().flat_map(|line| [line.as_str(), end]).collect();

        let credentials = named.then_some((ufrag, pwd));
        prop_assert_eq!(Fragment::parse(&text), Ok(Fragment { credentials }));
    }
}

#[test]
fn our_own_fragment_is_read_back() {
    let opened = opened();
    for fixture in FIXTURES {
        let text = restarted(&Description::parse(fixture).unwrap(), &opened);
        let credentials = Some((opened.ufrag.clone(), opened.pwd.clone()));
        assert_eq!(Fragment::parse(&text), Ok(Fragment { credentials }), "{text}");
    }
}
