//! Session descriptions of real clients, answered and offered.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod opened;

use relay_wire::control::{Codec, CodecSpec, Extensions, Hash, Kind, Opened, SsrcSpec};
use signalling_switchboard::sdp::{
    Answered, Content, Description, Direction, Local, Offered, Receive, SdpError, Section,
    SectionKind, accepted, answer, offer,
};

const CHROMIUM: &str = include_str!("fixtures/chromium-publisher.sdp");
const CHROMIUM_ANSWER: &str = include_str!("fixtures/chromium-answer.sdp");
const FIREFOX: &str = include_str!("fixtures/firefox-publisher.sdp");
const PYTHON: &str = include_str!("fixtures/python-publisher.sdp");
const CODECS: [Codec; 5] = Codec::ALL;

fn opened() -> Opened {
    let candidates = vec!["192.0.2.1:3478".parse().unwrap(), "[2001:db8::1]:3478".parse().unwrap()];

    Opened { candidates, ..opened::opened() }
}

fn local(opened: &Opened) -> Local<'_> {
    Local { transport: opened, session: 7, version: 1, data_message_bytes: 65_535 }
}

/// Receives whatever the client sends.
fn answered(text: &str, preferred: Option<Codec>) -> (Answered, Description) {
    let offer = Description::parse(text).unwrap();
    let receive: Vec<_> = offer
        .sections
        .iter()
        .map(|section| section.sends().then_some(Receive { preferred, stereo: false }))
        .collect();
    let answered = answer(&offer, local(&opened()), &CODECS, &receive);
    let read = Description::parse(&answered.sdp).unwrap();
    (answered, read)
}

fn numbers(section: &Section) -> Vec<u8> {
    section.payloads.iter().map(|payload| payload.number).collect()
}

#[test]
fn chromium_publishes_with_its_own_numbers() {
    let (answered, read) = answered(CHROMIUM, None);

    let video = answered.facts[1].as_ref().unwrap();
    assert_eq!(video.kind, Kind::Video);
    assert_eq!(video.mid, "1");
    assert_eq!(video.rids, ["q", "h", "f"]);
    assert_eq!(
        video.codecs,
        [
            CodecSpec { codec: Codec::Vp8, payload_type: 96, rtx: Some(97) },
            CodecSpec { codec: Codec::H264, payload_type: 108, rtx: Some(109) },
            CodecSpec { codec: Codec::Av1, payload_type: 45, rtx: Some(46) },
            CodecSpec { codec: Codec::Vp9, payload_type: 98, rtx: Some(99) },
        ],
    );
    assert_eq!(
        video.extensions,
        Extensions {
            mid: Some(4),
            rid: Some(10),
            repaired_rid: Some(11),
            abs_send_time: Some(2),
            transport_cc: Some(3),
            audio_level: None,
            video_orientation: Some(13),
            playout_delay: Some(5),
            dependency_descriptor: Some(12),
        },
    );
    let audio = answered.facts[0].as_ref().unwrap();
    assert_eq!(audio.ssrcs, [SsrcSpec { ssrc: 1_358_100_989, rtx: None }]);
    assert_eq!(audio.extensions.audio_level, Some(1));
    assert_eq!(read.sections.len(), 3);
    assert!(answered.facts[2].is_none(), "the data channels' m-line is no track");
}

#[test]
fn answer_is_ice_lite_passive_and_has_all_candidates_once() {
    let (answered, read) = answered(CHROMIUM, None);
    let sdp = &answered.sdp;

    assert_eq!(sdp.matches("a=ice-lite\r\n").count(), 1);
    assert_eq!(sdp.matches("a=setup:passive\r\n").count(), 3);
    assert_eq!(sdp.matches("a=candidate:").count(), 2);
    assert!(sdp.contains("a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host\r\n"));
    assert!(sdp.contains("a=end-of-candidates\r\n"));
    assert!(sdp.contains("a=group:BUNDLE 0 1 2\r\n"));
    assert!(sdp.contains("a=simulcast:recv q;h;f\r\n"));
    assert!(sdp.contains("a=rid:q recv\r\n"));
    assert!(sdp.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"));
    assert!(sdp.contains("a=max-message-size:65535\r\n"));
    assert!(sdp.contains("a=rtcp-fb:96 nack pli\r\n"));
    assert!(!sdp.contains("profile-id=2") && !sdp.contains("red/"));
    assert_eq!(read.remote().unwrap().ufrag, "00abcdefgh");
    assert!(read.sections[..2].iter().all(|m| m.direction == Direction::RecvOnly));
}

#[test]
fn codec_that_was_asked_for_comes_first() {
    let (answered, read) = answered(CHROMIUM, Some(Codec::H264));
    assert_eq!(numbers(&read.sections[1])[..4], [108, 109, 96, 97]);
    assert_eq!(answered.facts[1].as_ref().unwrap().codecs[0].codec, Codec::H264);
    for (codec, number) in [(Codec::Vp9, 98), (Codec::Av1, 45), (Codec::Vp8, 96)] {
        let (answered, read) = self::answered(CHROMIUM, Some(codec));
        assert_eq!(numbers(&read.sections[1])[0], number, "{codec:?}");
        assert_eq!(answered.facts[1].as_ref().unwrap().codecs[0].codec, codec);
    }
}

#[test]
fn profiles_beyond_the_first_are_left_out() {
    let text = CHROMIUM
        .replace("a=fmtp:45 level-idx=5;profile=0;", "a=fmtp:45 level-idx=5;profile=1;")
        .replace("a=fmtp:98 profile-id=0", "a=fmtp:98 profile-id=1");
    let (answered, _) = answered(&text, Some(Codec::Av1));
    let codecs = answered.facts[1].as_ref().unwrap().codecs.iter();
    assert_eq!(codecs.map(|spec| spec.codec).collect::<Vec<_>>(), [Codec::Vp8, Codec::H264]);

    // What is not told is the first profile.
    let text = CHROMIUM
        .replace("a=fmtp:45 level-idx=5;profile=0;tier=0\r\n", "")
        .replace("a=fmtp:98 profile-id=0\r\n", "");
    let (answered, _) = self::answered(&text, Some(Codec::Av1));
    assert_eq!(answered.facts[1].as_ref().unwrap().codecs[0].payload_type, 45);
    assert!(answered.sdp.contains("a=fmtp:45 level-idx=5;profile=0;tier=0\r\n"));
    assert!(answered.sdp.contains("a=fmtp:98 profile-id=0\r\n"));
}

#[test]
fn level_and_tier_of_av1_are_answered_as_they_were_offered() {
    let fmtp = |offered: &str| {
        let text = CHROMIUM.replace("level-idx=5;profile=0;tier=0", offered);
        let (answered, _) = answered(&text, None);
        let line = answered.sdp.lines().find(|line| line.starts_with("a=fmtp:45 ")).unwrap();
        line.trim_start_matches("a=fmtp:45 ").to_owned()
    };
    assert_eq!(fmtp("profile=0;level-idx=9;tier=1"), "level-idx=9;profile=0;tier=1");
    assert_eq!(fmtp("level-idx=99;tier=x"), "level-idx=5;profile=0;tier=0", "no such level");
}

#[test]
fn both_forms_of_header_extensions_are_answered_where_they_are_offered() {
    let mixed = "a=extmap-allow-mixed\r\n";
    assert_eq!(answered(CHROMIUM, None).0.sdp.matches(mixed).count(), 1);
    let (without, _) = answered(&CHROMIUM.replace(mixed, ""), None);
    assert!(!without.sdp.contains(mixed));
    assert!(!FIREFOX.contains(mixed) || answered(FIREFOX, None).0.sdp.contains(mixed));
    let sdp = offer(local(&opened()), &offered());
    assert!(sdp.find(mixed).unwrap() < sdp.find("m=").unwrap(), "at session level");
}

#[test]
fn firefox_bundle_only_lines_are_taken() {
    let (answered, read) = answered(FIREFOX, None);

    let video = answered.facts[2].as_ref().unwrap();
    assert_eq!(video.rids, ["q", "h", "f"]);
    assert_eq!(video.ssrcs.len(), 3);
    assert_eq!(
        video.codecs[1..],
        [
            CodecSpec { codec: Codec::Vp9, payload_type: 121, rtx: Some(125) },
            CodecSpec { codec: Codec::H264, payload_type: 126, rtx: Some(127) },
        ],
        "in the order of the offer"
    );
    assert_eq!((video.extensions.rid, video.extensions.repaired_rid), (Some(8), Some(9)));
    assert!(read.sections.iter().all(|section| section.port == 9));
    assert_eq!(read.sections[0].kind, SectionKind::Data);
}

#[test]
fn firefox_credentials_come_from_any_level() {
    let remote = Description::parse(FIREFOX).unwrap().remote().unwrap();
    assert_eq!(remote.ufrag, "9d3e71ab");
    assert_eq!(remote.fingerprint.hash, Hash::Sha256);
    assert_eq!(remote.fingerprint.digest[..2], [0x7b, 0x1a]);
}

#[test]
fn lines_that_only_receive_are_answered_inactive() {
    let (answered, read) = answered(PYTHON, None);

    let tracks: Vec<_> = answered.facts.iter().flatten().map(|facts| &facts.mid).collect();
    assert_eq!(tracks, ["7", "8"]);
    let inactive = |section: &&Section| section.direction == Direction::Inactive;
    assert_eq!(read.sections.iter().filter(inactive).count(), 6);
    let video = answered.facts[8].as_ref().unwrap();
    assert_eq!(video.ssrcs, [SsrcSpec { ssrc: 2001, rtx: Some(2002) }]);
}

#[test]
fn unknown_lines_are_rejected_and_leave_the_bundle() {
    let text = CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=text 9 UDP/TLS/RTP/SAVPF");
    let (answered, read) = answered(&text, None);
    assert!(answered.sdp.contains("m=text 0 "));
    assert!(answered.sdp.contains("a=group:BUNDLE 1 2\r\n"));
    assert_eq!(read.sections[0].port, 0);
    assert!(answered.sdp.contains("a=candidate:1 "), "the first live line has the candidates");
}

#[test]
fn the_strongest_fingerprint_counts() {
    let strong = format!("a=fingerprint:SHA-512 {}\r\n", ["AB"; 64].join(":"));
    let weak = "a=fingerprint:sha-1 00:01\r\n";
    let text = FIREFOX.replace("a=ice-options:trickle\r\n", &format!("{strong}{weak}"));
    let remote = Description::parse(&text).unwrap().remote().unwrap();
    assert_eq!(remote.fingerprint.hash, Hash::Sha512);
}

#[test]
fn faults_are_named() {
    let fault = |text: &str| Description::parse(text).unwrap_err();
    assert_eq!(fault("hello"), SdpError::Malformed);
    assert_eq!(fault(&"x".repeat(1 << 20)), SdpError::TooLarge);
    assert_eq!(fault(&CHROMIUM.replace("a=mid:1", "a=mid:0")), SdpError::Mid);
    assert_eq!(fault(&CHROMIUM.replace("a=mid:1\r\n", "")), SdpError::Mid);
    assert_eq!(fault(&CHROMIUM.replace("a=mid:1", "a=mid:12345678901234567")), SdpError::Mid);
    let many = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n".repeat(600);
    assert_eq!(fault(&format!("v=0\r\n{many}")), SdpError::TooLarge);
}

fn track(codec: Codec, number: u32) -> Content {
    Content::Send {
        codec,
        stereo: false,
        stream: "PA_x|camera".into(),
        track: format!("TR_{number}"),
        ssrc: number * 10,
        rtx_ssrc: number * 10 + 1,
        cname: "PA_x".into(),
    }
}

fn offered() -> Vec<Offered> {
    let line = |mid: &str, content| Offered { mid: mid.into(), content };
    vec![
        line("0", Content::Data),
        line("1", track(Codec::Opus, 1)),
        line("2", track(Codec::Vp8, 2)),
        line("3", track(Codec::H264, 3)),
    ]
}

#[test]
fn offer_names_tracks_and_their_ssrcs() {
    let sdp = offer(local(&opened()), &offered());

    assert!(sdp.find("m=application").unwrap() < sdp.find("m=audio").unwrap());
    assert_eq!(sdp.matches("a=setup:passive\r\n").count(), 4);
    assert!(sdp.contains("a=msid:PA_x|camera TR_2\r\n"));
    assert!(sdp.contains("a=ssrc-group:FID 20 21\r\n"));
    let read = Description::parse(&sdp).unwrap();
    assert_eq!(read.sections[2].ssrcs, [20]);
    assert_eq!(read.sections[2].direction, Direction::SendOnly);
    assert_eq!(numbers(&read.sections[3]), [98, 99]);
}

#[test]
fn offers_name_the_extensions_and_only_tracks_with_layers_inside_tell_them() {
    let line = |mid: &str, codec| Offered { mid: mid.into(), content: track(codec, 1) };
    let codecs = [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1];
    let mids = ["1", "2", "3", "4", "5"];
    let lines: Vec<_> = mids.iter().zip(codecs).map(|(mid, codec)| line(mid, codec)).collect();
    let read = Description::parse(&offer(local(&opened()), &lines)).unwrap();
    let ids = |section: &Section, name: &str| {
        let found = section.extensions.iter().find(|(_, uri)| uri.contains(name));
        found.map(|(id, _)| *id)
    };
    let told = |name| read.sections.iter().map(|m| ids(m, name)).collect::<Vec<_>>();

    assert_eq!(told("dependency-descriptor"), [None, None, None, Some(8), Some(8)]);
    assert_eq!(told("video-orientation"), [None, Some(13), Some(13), Some(13), Some(13)]);
    assert_eq!(told("playout-delay"), [None, Some(12), Some(12), Some(12), Some(12)]);
    assert_eq!(told("ssrc-audio-level"), [Some(1), None, None, None, None]);
    assert_eq!(told("sdes:mid"), [Some(4); 5]);
    assert_eq!(told("abs-send-time"), [Some(2); 5]);
    assert_eq!(numbers(&read.sections[3]), [100, 101]);
    assert_eq!(numbers(&read.sections[4]), [102, 103]);
}

#[test]
fn chromium_takes_the_offer() {
    let read = Description::parse(CHROMIUM_ANSWER).unwrap();

    let vp8 = accepted(&read, "2", Codec::Vp8).unwrap();
    assert_eq!(vp8.codec, CodecSpec { codec: Codec::Vp8, payload_type: 96, rtx: Some(97) });
    assert_eq!(vp8.extensions.mid, Some(4));
    assert!(accepted(&read, "1", Codec::Opus).unwrap().extensions.audio_level.is_some());
    assert!(accepted(&read, "3", Codec::H264).is_some());
    assert!(accepted(&read, "9", Codec::H264).is_none(), "no such line");
}

#[test]
fn rejected_lines_keep_their_place_in_the_offer_and_none_in_the_bundle() {
    let mut lines = offered();
    lines[2].content = Content::Rejected(Kind::Video);

    let sdp = offer(local(&opened()), &lines);
    let read = Description::parse(&sdp).unwrap();
    assert_eq!(read.sections.len(), 4);
    assert!(read.sections[2].rejected_in_offer());
    assert!(!read.sections[3].rejected_in_offer());
    assert!(sdp.contains("a=group:BUNDLE 0 1 3\r\n"));
}

#[test]
fn rejected_or_unreceived_lines_are_not_accepted() {
    let refused = CHROMIUM_ANSWER.replacen("m=video 9", "m=video 0", 1);
    let read = Description::parse(&refused).unwrap();
    assert!(accepted(&read, "2", Codec::Vp8).is_none());
    assert!(read.rejects("2") && !read.rejects("3"));

    let inactive = CHROMIUM_ANSWER.replace("a=recvonly", "a=inactive");
    let read = Description::parse(&inactive).unwrap();
    assert!(accepted(&read, "3", Codec::H264).is_none());
}

/// Number, transport, priority, the rest.
fn candidate_lines(sdp: &str) -> Vec<(u32, &str, u32, &str)> {
    let line = |line: &str| -> Option<(u32, u32)> {
        let mut words = line.strip_prefix("a=candidate:")?.split(' ');
        Some((words.next()?.parse().ok()?, words.nth(2)?.parse().ok()?))
    };
    let parts = |text| {
        let (number, priority) = line(text)?;
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        Some((number, words[2], priority, words[4]))
    };
    sdp.lines().filter_map(parts).collect()
}

#[test]
fn tcp_candidates_are_passive_and_come_after_those_over_udp() {
    let tcp = ["192.0.2.1:3478", "[2001:db8::1]:443"].map(|text| text.parse().unwrap());
    let opened = Opened { candidates_tcp: tcp.to_vec(), ..opened() };
    let description = Description::parse(CHROMIUM).unwrap();
    let receive = vec![None; description.sections.len()];
    let answered = answer(&description, local(&opened), &CODECS, &receive).sdp;
    let offered = offer(local(&opened), &[Offered { mid: "0".into(), content: Content::Data }]);
    for sdp in [answered, offered] {
        let lines = candidate_lines(&sdp);
        let transports: Vec<_> = lines.iter().map(|line| line.1).collect();
        assert_eq!(transports, ["udp", "udp", "tcp", "tcp"], "{sdp}");
        assert!(lines.windows(2).all(|pair| pair[0].2 > pair[1].2), "{lines:?}");
        assert!(lines.windows(2).all(|pair| pair[0].0 != pair[1].0), "foundations differ");
        assert_eq!(lines[2].3, "192.0.2.1 3478 typ host tcptype passive");
        assert_eq!(lines[3].3, "2001:db8::1 443 typ host tcptype passive");
        // RFC 6544, section 4.2: type 90, direction 4 of 7, the first of its kind.
        assert_eq!(lines[2].2, 90 << 24 | (4 << 13 | 8191) << 8 | 255);
    }
}
