//! Somebody who publishes by WHIP, as far as the kernel sees it: an ICE check, then datagrams that
//! begin as RTP does.

use crate::common::turn::ice_check;
use crate::lab::Lab;
use std::net::UdpSocket;
use std::time::Duration;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
    a=ice-ufrag:them\r\na=ice-pwd:0123456789abcdef01234567\r\na=setup:actpass\r\na=rtcp-mux\r\n\
    a=fingerprint:sha-256 02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:\
    02:02:02:02:02:02:02:02:02\r\na=rtpmap:111 opus/48000/2\r\n";

/// Alone in a room.
pub(crate) struct Publisher {
    socket: UdpSocket,
    bearer: String,
    /// Where it is ended.
    resource: String,
}

impl Publisher {
    /// Publishes into a room of its own; its path is a flow when this returns.
    pub(crate) fn new(lab: &Lab, room: usize) -> Self {
        let room = format!("room-{room}");
        let token = ["token", "create", "--identity", "ann", "--room", &room];
        let token = String::from_utf8(lab.place.run(&token).stdout).unwrap();
        let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
        let headers = format!("{bearer}Content-Type: application/sdp\r\n");
        let answer = lab.ask(&format!("POST /whip/{room}"), &headers, OFFER);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let after = |start: &str| {
            let lines = answer.lines();
            lines.filter_map(|line| line.strip_prefix(start)).next().unwrap().trim()
        };
        let check = ice_check(after("a=ice-ufrag:"), after("a=ice-pwd:"));
        let socket = lab.client(0);
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send(&check).unwrap();
        let mut response = [0; 512];
        let len = socket.recv(&mut response).unwrap();
        assert_eq!(response[..len][..2], [1, 1], "a success response");

        Self { socket, bearer, resource: after("location: ").to_owned() }
    }

    /// Sends a datagram that is media, to whoever does not look closer.
    pub(crate) fn talk(&self) {
        self.socket.send(&[0x80; 60]).unwrap();
    }

    /// Leaves.
    pub(crate) fn leave(self, lab: &Lab) {
        let answer = lab.ask(&format!("DELETE {}", self.resource), &self.bearer, "");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}
