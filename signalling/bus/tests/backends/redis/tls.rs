//! One server that speaks TLS only, with a certificate of a private authority.

use super::server::{Server, free_port};
use super::{OnRedis, in_real_time, until};
use crate::conformance::{self, timings};
use crate::scratch::Scratch;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use signalling_bus::{Error, Link, Node, Redis};
use std::path::{Path, PathBuf};

/// A server, and the files it needs.
struct Secure {
    server: Server,
    ca: PathBuf,
    _files: Scratch,
}

impl Secure {
    fn start() -> Self {
        let files = Scratch::made();
        let at = |name: &str| files.0.join(name);
        let ca = write_certificates(&files.0);
        let (port, certificate, key) = (free_port().to_string(), at("server.pem"), at("key.pem"));
        let arguments = [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            certificate.to_str().unwrap(),
            "--tls-key-file",
            key.to_str().unwrap(),
            "--tls-ca-cert-file",
            ca.to_str().unwrap(),
        ];
        let server = Server::start_on(port.parse().unwrap(), &arguments);

        Self { server, ca, _files: files }
    }

    fn redis(&self, ca: Option<&Path>) -> Redis {
        let url = format!("rediss://127.0.0.1:{}", self.server.port);
        Redis::new(url.parse().unwrap(), ca, timings()).unwrap()
    }
}

fn write_certificates(directory: &Path) -> PathBuf {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = params.signed_by(&key, &issuer).unwrap();

    let ca = directory.join("ca.pem");
    std::fs::write(&ca, root.pem()).unwrap();
    std::fs::write(directory.join("server.pem"), server.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();

    ca
}

fn run(test: impl AsyncFnOnce(&OnRedis)) {
    let secure = Secure::start();
    let world = OnRedis { redis: secure.redis(Some(&secure.ca)) };
    in_real_time(test(&world));
}

conformance::cases!(conformance::as_tests);

#[test]
fn a_certificate_of_nobody_known_is_refused() {
    let secure = Secure::start();
    in_real_time(async {
        let (bus, _events) = secure.redis(None).join(Node::named("a")).await;
        assert_eq!(*bus.link().borrow(), Link::Down);
        assert_eq!(bus.nodes().await, Err(Error::Away));

        let (bus, _events) = secure.redis(Some(&secure.ca)).join(Node::named("a")).await;
        until(&bus, Link::Up).await;
    });
}

#[test]
fn a_file_without_certificates_is_an_error() {
    let scratch = Scratch::made();
    let wrong = scratch.0.join("wrong.pem");
    let redis = |file: &Path| {
        let url = "rediss://127.0.0.1".parse().unwrap();
        Redis::new(url, Some(file), timings()).map(drop).unwrap_err()
    };
    assert!(redis(&wrong).contains("No such file"));
    std::fs::write(&wrong, "no certificate").unwrap();
    assert!(redis(&wrong).contains("holds no certificate"));
}
