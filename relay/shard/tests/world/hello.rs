//! A DTLS client that is not a WebRTC stack: dimpl alone.

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use std::sync::Arc;
use std::time::Instant;

/// A DTLS 1.2 client, and what it wants to send at first.
pub(crate) struct Hello {
    pub(crate) dtls: Dtls,
    pub(crate) flight: Vec<Vec<u8>>,
    pub(crate) connected: bool,
    /// What came inside: SCTP packets.
    pub(crate) received: Vec<Vec<u8>>,
    pub(crate) certificate: Vec<u8>,
}

impl Hello {
    pub(crate) fn new(now: Instant, mtu: usize) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["client".into()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        let config = Arc::new(Config::builder().mtu(mtu).build().unwrap());
        let own =
            DtlsCertificate { certificate: certificate.clone(), private_key: key.serialize_der() };
        let mut dtls = Dtls::new_12(config, own, now);
        dtls.set_active(true);
        dtls.handle_timeout(now).unwrap();
        let (flight, received) = (Vec::new(), Vec::new());
        let mut hello = Self { dtls, flight, connected: false, received, certificate };
        hello.poll();

        hello
    }

    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) {
        self.dtls.handle_timeout(now).unwrap();
        self.dtls.handle_packet(datagram).unwrap();
        self.poll();
    }

    /// Repeats what was lost.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.dtls.handle_timeout(now).unwrap();
        self.poll();
    }

    /// Sends an SCTP packet.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.dtls.send_application_data(packet).unwrap();
        self.poll();
    }

    fn poll(&mut self) {
        let mut buffer = vec![0; 4096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.flight.push(packet.to_vec()),
                Output::Connected => self.connected = true,
                Output::ApplicationData(packet) => self.received.push(packet.to_vec()),
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

/// A whole ClientHello in one datagram.
pub(crate) fn client_hello() -> Vec<u8> {
    let mut hello = Hello::new(Instant::now(), 1150);
    assert_eq!(hello.flight.len(), 1);

    hello.flight.remove(0)
}

/// The head of a handshake record.
pub(crate) const SHORT: [u8; 13] = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
