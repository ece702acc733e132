//! DTLS (dimpl): a handshake that ends in keys for SRTP (RFC 5764).

use super::srtp::Keys;
use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a datagram at most.
const MTU: usize = 1_200;

/// Our certificate: one for all clients of a run, as it is the server that is measured.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: [u8; 32],
}

impl Identity {
    /// A new key, and a certificate that it has signed itself.
    pub(crate) fn new() -> Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let parameters = rcgen::CertificateParams::new(vec!["millrace-bench".to_owned()])?;
        let certificate = parameters.self_signed(&key)?.der().to_vec();
        let config = Config::builder().mtu(MTU).build();
        let config = Arc::new(config.context("DTLS cannot be configured")?);

        Ok(Self {
            fingerprint: sha256(&certificate),
            certificate: DtlsCertificate { certificate, private_key: key.serialize_der() },
            config,
        })
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);

    digest.as_ref().try_into().unwrap_or([0; 32])
}

/// One connection's handshake.
pub(super) struct Handshake {
    dtls: Dtls,
    active: bool,
    peer: [u8; 32],
    verified: bool,
    keys: Option<Keys>,
    /// When `advance` is needed next.
    pub(super) timeout: Instant,
}

impl Handshake {
    /// A handshake with the owner of a certificate; who is `active` begins.
    pub(super) fn new(identity: &Identity, peer: [u8; 32], active: bool, now: Instant) -> Self {
        let (config, certificate) = (Arc::clone(&identity.config), identity.certificate.clone());
        let mut dtls = Dtls::new_auto(config, certificate, now);
        dtls.set_active(active);

        Self { dtls, active, peer, verified: false, keys: None, timeout: now }
    }

    /// Takes a datagram in; the keys, once, when the handshake is done. `data` gets what else came
    /// through the session.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        send: &mut dyn FnMut(&[u8]),
        data: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Keys>> {
        self.dtls.handle_timeout(now).context("DTLS")?;
        // A datagram that is no DTLS, or of no use, is no reason to end: anybody may send it.
        let _ = self.dtls.handle_packet(bytes);

        self.poll(send, data)
    }

    /// Begins, or repeats what was lost.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        send: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Keys>> {
        self.dtls.handle_timeout(now).context("DTLS")?;

        self.poll(send, &mut |_| {})
    }

    /// Sends what is of another protocol through the session.
    pub(super) fn send(&mut self, packet: &[u8], send: &mut dyn FnMut(&[u8])) {
        // What the session does not take is lost, and is repeated.
        let _ = self.dtls.send_application_data(packet);
        let _ = self.poll(send, &mut |_| {});
    }

    fn poll(
        &mut self,
        send: &mut dyn FnMut(&[u8]),
        data: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Keys>> {
        let mut buffer = [0; 2_048];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::PeerCert(certificate) => {
                    if sha256(certificate) != self.peer {
                        bail!("the server's certificate is not that of its description");
                    }
                    self.verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    self.keys = Some(Keys::new(&material, profile, self.active)?);
                }
                Output::ApplicationData(packet) => data(packet),
                Output::CloseNotify => bail!("the server closed the connection"),
                Output::Timeout(timeout) => {
                    self.timeout = timeout;
                    break;
                }
                _ => {}
            }
        }

        Ok(if self.verified { self.keys.take() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtc::Refusal;

    /// Shakes hands; the keys of both, if they came to an end.
    fn shake(
        client: &mut Handshake,
        server: &mut Handshake,
    ) -> Result<(Option<Keys>, Option<Keys>)> {
        let now = Instant::now();
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut keys = (None, None);
        client.advance(now, &mut |bytes| to_server.push(bytes.to_vec()))?;
        while !to_server.is_empty() || !to_client.is_empty() {
            for bytes in std::mem::take(&mut to_server) {
                let new = server.receive(
                    &bytes,
                    now,
                    &mut |b| to_client.push(b.to_vec()),
                    &mut |_| {},
                )?;
                keys.1 = new.or(keys.1);
            }
            for bytes in std::mem::take(&mut to_client) {
                let new = client.receive(
                    &bytes,
                    now,
                    &mut |b| to_server.push(b.to_vec()),
                    &mut |_| {},
                )?;
                keys.0 = new.or(keys.0);
            }
        }

        Ok(keys)
    }

    #[test]
    fn handshakes_end_in_the_same_keys() {
        let (ours, theirs) = (Identity::new().unwrap(), Identity::new().unwrap());
        for round in 0..100 {
            let now = Instant::now();
            let mut client = Handshake::new(&ours, theirs.fingerprint, true, now);
            let mut server = Handshake::new(&theirs, ours.fingerprint, false, now);

            let (client, server) = shake(&mut client, &mut server).unwrap();

            let (mut client, mut server) = client.zip(server).unwrap_or_else(|| panic!("{round}"));
            let plain = [&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[5; 40]].concat();
            let mut packet = plain.clone();
            assert!(client.protect(&mut packet));
            assert_eq!(server.unprotect(&mut packet), Ok::<(), Refusal>(()));
            assert_eq!(packet, plain);
        }
    }

    #[test]
    fn another_certificate_than_the_described_one_is_refused() {
        let (ours, theirs) = (Identity::new().unwrap(), Identity::new().unwrap());
        let now = Instant::now();
        let mut client = Handshake::new(&ours, ours.fingerprint, true, now);
        let mut server = Handshake::new(&theirs, ours.fingerprint, false, now);

        let error = shake(&mut client, &mut server).err().map(|error| error.to_string());

        let expected = "the server's certificate is not that of its description";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
