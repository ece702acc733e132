//! The certificate of HTTPS, replaced while the server runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{World, answer, connect};
use rustls::pki_types::CertificateDer;
use signalling_server::CertificateFiles;
use std::path::Path;
use tokio::io::AsyncWriteExt;

/// A certificate for localhost in files of its own.
fn made(directory: &Path, name: &str) -> (CertificateFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = directory.join(format!("{name}.pem"));
    let key = directory.join(format!("{name}.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    (CertificateFiles { certificate, key }, made.cert.der().clone())
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_standing_ones_go_on() {
    let world = World::new().await;
    let (first, first_der) = made(&world.data, "first");
    let (second, second_der) = made(&world.data, "second");
    assert!(world.certificate.reload(Some(&first)).unwrap());
    assert!(!world.certificate.reload(Some(&first)).unwrap(), "it is the same one");
    let mut standing = connect(&world, &first_der).await.unwrap();

    assert!(world.certificate.reload(Some(&second)).unwrap());
    assert!(connect(&world, &first_der).await.is_err());
    assert!(connect(&world, &second_der).await.is_ok());
    standing.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(answer(standing).await.status, 200);
}

#[tokio::test]
async fn a_wrong_pair_of_files_changes_nothing() {
    let world = World::new().await;
    let (first, first_der) = made(&world.data, "first");
    let (second, _) = made(&world.data, "second");
    world.certificate.reload(Some(&first)).unwrap();
    let mixed = CertificateFiles { key: second.key, ..first.clone() };
    let gone = CertificateFiles { certificate: "gone.pem".into(), ..first };
    for wrong in [mixed, gone] {
        let error = world.certificate.reload(Some(&wrong)).unwrap_err().to_string();
        assert!(error.contains("tls.cert") && !error.contains('\n'), "{error}");
        assert!(connect(&world, &first_der).await.is_ok());
    }
}

#[tokio::test]
async fn files_that_change_are_read_without_being_asked() {
    let world = World::new().await;
    let (files, old) = made(&world.data, "renewed");
    world.certificate.reload(Some(&files)).unwrap();
    let (_, new) = made(&world.data, "renewed");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while connect(&world, &new).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the old one stays");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(connect(&world, &old).await.is_err());
}
