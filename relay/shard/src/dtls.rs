//! DTLS-SRTP as the passive side (RFC 5764, 8842): one handshake and its records per transport.

use crate::{Config, DtlsVersions};
use dimpl::{Dtls, DtlsCertificate, KeyingMaterial, Output, SrtpProfile};
use relay_wire::control::{Fingerprint, Hash};
use ring::digest;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the largest datagram or record that DTLS hands out: a record's plaintext is at most
/// 2^14 bytes (RFC 9147, section 4).
const OUTPUT_BYTES: usize = (1 << 14) + 256;

/// Bytes of handshake datagrams, so that a flight survives any path that carries media.
const MTU: usize = 1150;

/// Time until an unanswered flight is sent again for the first time. RFC 9147, section 5.8.2,
/// recommends a second; here people wait, and a lost flight is usual on a bad line.
const FLIGHT_RTO: Duration = Duration::from_millis(400);

/// How often a flight is sent again, each time after twice the time before: 25 s, which is longer
/// than a transport may take to connect.
const FLIGHT_RETRIES: usize = 6;

/// Who we are to every peer, and how we speak.
pub(crate) struct Identity {
    config: Arc<dimpl::Config>,
    certificate: DtlsCertificate,
    versions: DtlsVersions,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Checks certificate and key; `None` when the key is not an ECDSA key (P-256 or P-384) in
    /// PKCS #8 or the certificate is empty.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let dtls = dimpl::Config::builder()
            .mtu(MTU)
            // ICE has proven the client's address already: a cookie would cost a round trip.
            .use_server_cookie(false)
            .handshake_timeout(config.limits.connect_timeout)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .build()
            .ok()?;
        dtls.crypto_provider().key_provider.load_private_key(&config.private_key).ok()?;
        if config.certificate.is_empty() {
            return None;
        }
        let digest = digest::digest(&digest::SHA256, &config.certificate).as_ref().to_vec();

        Some(Self {
            config: Arc::new(dtls),
            certificate: DtlsCertificate {
                certificate: config.certificate.clone(),
                private_key: config.private_key.clone(),
            },
            versions: config.dtls,
            fingerprint: Fingerprint { hash: Hash::Sha256, digest },
        })
    }

    /// Hash of our certificate.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Whether the certificate hashes to what was announced (RFC 8122, section 5).
pub(crate) fn matches(certificate: &[u8], announced: &Fingerprint) -> bool {
    let algorithm = match announced.hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };

    digest::digest(algorithm, certificate).as_ref() == announced.digest
}

/// What a session brought forth.
pub(crate) enum Step<'a> {
    /// A datagram to send.
    Datagram(&'a [u8]),
    /// The peer's certificate, DER.
    Certificate(&'a [u8]),
    /// SRTP keys (RFC 5764, section 4.2).
    Keys(KeyingMaterial, SrtpProfile),
    /// The handshake is done.
    Connected,
    /// Application data: an SCTP packet.
    Data(&'a [u8]),
    /// The peer said good-bye.
    Closed,
}

/// The session is beyond repair.
#[derive(Debug)]
pub(crate) struct Broken;

/// Memory that sessions write their output to, shared by all of a shard.
pub(crate) struct Scratch(Box<[u8]>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; OUTPUT_BYTES].into_boxed_slice())
    }
}

/// One DTLS association.
pub(crate) struct Session {
    dtls: Dtls,
    timeout: Option<Instant>,
}

impl Session {
    /// A session that waits for its ClientHello.
    pub(crate) fn new(identity: &Identity, now: Instant) -> Self {
        let (config, certificate) = (identity.config.clone(), identity.certificate.clone());
        let dtls = match identity.versions {
            DtlsVersions::Auto => Dtls::new_auto(config, certificate, now),
            DtlsVersions::Only12 => Dtls::new_12(config, certificate, now),
        };

        Self { dtls, timeout: None }
    }

    /// Takes one datagram and reports every step it causes.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        datagram: &[u8],
        scratch: &mut Scratch,
        sink: impl FnMut(Step<'_>),
    ) -> Result<(), Broken> {
        self.dtls.handle_timeout(now).map_err(|_| Broken)?;
        let outcome = self.dtls.handle_packet(datagram).map_err(|_| Broken);
        self.drain(scratch, sink)?;

        outcome
    }

    /// Repeats what was lost.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        scratch: &mut Scratch,
        sink: impl FnMut(Step<'_>),
    ) -> Result<(), Broken> {
        self.dtls.handle_timeout(now).map_err(|_| Broken)?;

        self.drain(scratch, sink)
    }

    /// Sends one SCTP packet.
    pub(crate) fn send(
        &mut self,
        data: &[u8],
        scratch: &mut Scratch,
        sink: impl FnMut(Step<'_>),
    ) -> Result<(), Broken> {
        self.dtls.send_application_data(data).map_err(|_| Broken)?;

        self.drain(scratch, sink)
    }

    /// Says good-bye, if there is somebody to say it to.
    pub(crate) fn close(&mut self, scratch: &mut Scratch, sink: impl FnMut(Step<'_>)) {
        if self.dtls.close().is_ok() {
            let _ = self.drain(scratch, sink);
        }
    }

    /// When `advance` is next needed.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn drain(
        &mut self,
        scratch: &mut Scratch,
        mut sink: impl FnMut(Step<'_>),
    ) -> Result<(), Broken> {
        loop {
            match self.dtls.poll_output(&mut scratch.0) {
                Output::Packet(bytes) => sink(Step::Datagram(bytes)),
                Output::PeerCert(der) => sink(Step::Certificate(der)),
                Output::KeyingMaterial(keys, profile) => sink(Step::Keys(keys, profile)),
                Output::Connected => sink(Step::Connected),
                Output::ApplicationData(data) => sink(Step::Data(data)),
                Output::CloseNotify => sink(Step::Closed),
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return Ok(());
                }
                // A record is bounded by the protocol, so a larger one is no record.
                Output::BufferTooSmall { .. } => return Err(Broken),
                _ => {}
            }
        }
    }
}
