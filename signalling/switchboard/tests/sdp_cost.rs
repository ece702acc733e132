//! A session description costs its reader about what it cost its writer: one thread answers all
//! clients of a node.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod opened;

use relay_wire::control::Codec;
use signalling_switchboard::sdp::{
    Description, Local, Receive, SDP_BYTES_MAX, SECTIONS_MAX, accepted, answer,
};
use std::fmt::Write as _;
use std::time::Duration;

/// Far above what a linear reader takes on a slow machine, far below what a quadratic one does.
const PATIENCE: Duration = Duration::from_millis(250);

/// Processor time that this thread spends on `work`: unlike the wall's, it does not depend on what
/// else the machine does.
fn processor_time(work: impl FnOnce()) -> Duration {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let before = spent();
    work();
    spent() - before
}

#[test]
fn attributes_of_the_session_are_not_read_again_for_each_line() {
    let mut media = String::new();
    for mid in 0..SECTIONS_MAX {
        write!(media, "m=audio 9 X 0\r\na=mid:{mid}\r\n").unwrap();
    }
    let hash = vec!["AB"; 32].join(":");
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    text.push_str("a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n");
    while text.len() + media.len() + 200 < SDP_BYTES_MAX {
        write!(text, "a=fingerprint:sha-256 {hash}\r\n").unwrap();
    }
    text.push_str(&media);

    let took = processor_time(|| {
        let description = Description::parse(&text).unwrap();
        assert_eq!(description.sections.len(), SECTIONS_MAX);
        assert_eq!(description.remote().unwrap().fingerprint.digest, [0xab; 32]);
    });

    assert!(took < PATIENCE, "{took:?}");
}

#[test]
fn the_parameters_of_one_payload_type_are_not_read_again_for_each_other() {
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let numbers: Vec<String> = (0..128).map(|number| number.to_string()).collect();
    write!(text, "m=video 9 UDP/TLS/RTP/SAVPF {}\r\na=mid:0\r\n", numbers.join(" ")).unwrap();
    text.push_str("a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=recvonly\r\n");
    for number in 0..127 {
        write!(text, "a=rtpmap:{number} VP8/90000\r\n").unwrap();
    }
    let parameters = "a=1;".repeat((SDP_BYTES_MAX - text.len() - 100) / 4);
    write!(text, "a=rtpmap:127 rtx/90000\r\na=fmtp:127 {parameters}apt=0\r\n").unwrap();
    let offer = Description::parse(&text).unwrap();
    let opened = opened::opened();
    let local = Local { transport: &opened, session: 1, version: 1, data_message_bytes: 65_535 };

    let took = processor_time(|| {
        answer(&offer, local, &[Codec::Vp8], &[Some(Receive::default())]);
        assert_eq!(accepted(&offer, "0", Codec::Vp8).unwrap().codec.rtx, Some(127));
    });

    assert!(took < PATIENCE, "{took:?}");
}
