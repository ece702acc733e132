//! One transport's other end: ICE by one check, DTLS by dimpl, SRTP keys of both directions.

use dimpl::{Config, Dtls, DtlsCertificate, KeyingMaterial, Output, SrtpProfile};
use relay_shard::{Path, Profile, SrtpEgress, SrtpIngress, from_keying_material};
use relay_wire::control::{Fingerprint, Hash, Opened, Remote};
use relay_wire::stun::{Class, IntegrityKey, Method, Writer};
use std::sync::Arc;
use std::time::Instant;

const UFRAG: &str = "lane";
/// SSRCs that come down one transport: two media streams and one of retransmissions.
const SSRCS_MAX: usize = 8;

/// A client that keeps one transport.
pub(super) struct Lane {
    /// Where it is, as the shard sees it.
    pub(super) path: Path,
    dtls: Dtls,
    certificate: Vec<u8>,
    keys: Option<(KeyingMaterial, SrtpProfile)>,
}

/// A connected lane's keys.
pub(super) struct Keys {
    /// What the client protects with.
    pub(super) up: SrtpEgress,
    /// What it reads with.
    pub(super) down: SrtpIngress,
}

impl Lane {
    /// A client that wants to connect.
    pub(super) fn new(now: Instant, path: Path) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["lane".into()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate").der().to_vec();
        let own =
            DtlsCertificate { certificate: certificate.clone(), private_key: key.serialize_der() };
        let config = Arc::new(Config::builder().build().expect("dimpl's defaults"));
        let mut dtls = Dtls::new_12(config, own, now);
        dtls.set_active(true);
        dtls.handle_timeout(now).expect("a first flight");

        Self { path, dtls, certificate, keys: None }
    }

    /// What it would put in its session description.
    pub(super) fn remote(&self) -> Remote {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate);

        Remote {
            ufrag: UFRAG.into(),
            pwd: "a+password+of+22+chars".into(),
            fingerprint: Fingerprint { hash: Hash::Sha256, digest: digest.as_ref().to_vec() },
        }
    }

    /// A DTLS datagram of the shard's.
    pub(super) fn receive(&mut self, now: Instant, datagram: &[u8]) {
        self.dtls.handle_timeout(now).expect("a living connection");
        self.dtls.handle_packet(datagram).expect("a sound record");
    }

    /// What it has to send now.
    pub(super) fn flight(&mut self) -> Vec<Vec<u8>> {
        let (mut flight, mut buffer) = (Vec::new(), vec![0; 4096]);
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => flight.push(packet.to_vec()),
                Output::KeyingMaterial(keys, profile) => self.keys = Some((keys, profile)),
                Output::Timeout(_) => return flight,
                _ => {}
            }
        }
    }

    /// The keys, once the handshake is over.
    pub(super) fn keys(&self) -> Option<Keys> {
        let (material, profile) = self.keys.as_ref()?;
        let profile = match profile {
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            _ => Profile::Aes128CmSha1_80,
        };
        let (client, server) = from_keying_material(profile, material).expect("enough of it");

        Some(Keys {
            up: SrtpEgress::new(profile, client.key, client.salt),
            down: SrtpIngress::new(profile, server.key, server.salt, SSRCS_MAX),
        })
    }
}

/// A full agent's check that nominates the path.
pub(super) fn check(opened: &Opened) -> Vec<u8> {
    let mut buffer = [0; 512];
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, b"transaction!")
        .username(&format!("{}:{UFRAG}", opened.ufrag))
        .priority(1)
        .ice_controlling(1)
        .use_candidate()
        .integrity(&IntegrityKey::short_term(&opened.pwd))
        .fingerprint()
        .finish();

    buffer[..len.expect("a check that fits")].to_vec()
}
