//! The certificate that DTLS shows: made once, then kept in the data directory.

use crate::StartError;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pemfile::Item;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Certificate and key, in one file, so that they cannot be of different pairs.
const FILE: &str = "dtls.pem";

/// A certificate and its private key.
pub(crate) struct Identity {
    /// X.509, DER.
    pub(crate) certificate: Vec<u8>,
    /// PKCS #8, DER.
    pub(crate) private_key: Vec<u8>,
}

/// Loads the certificate of this data directory, or makes one (ECDSA P-256, self-signed).
pub(crate) fn load_or_create(directory: &Path) -> Result<Identity, StartError> {
    let path = directory.join(FILE);
    let failed = |reason: String| StartError::Certificate { path: path.clone(), reason };
    if !path.exists() {
        let pem = create().map_err(|error| failed(error.to_string()))?;
        store(directory, &path, &pem).map_err(|error| failed(error.to_string()))?;
    }

    File::open(&path).map_err(|error| error.to_string()).and_then(read).map_err(failed)
}

fn read(source: impl io::Read) -> Result<Identity, String> {
    let (mut certificate, mut private_key) = (None, None);
    for item in rustls_pemfile::read_all(&mut BufReader::new(source)) {
        match item.map_err(|error| error.to_string())? {
            Item::X509Certificate(der) => certificate = Some(der.to_vec()),
            Item::Pkcs8Key(der) => private_key = Some(der.secret_pkcs8_der().to_vec()),
            _ => {}
        }
    }
    let certificate = certificate.ok_or("no CERTIFICATE in it")?;
    let private_key = private_key.ok_or("no PRIVATE KEY in it")?;

    Ok(Identity { certificate, private_key })
}

fn create() -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Millrace");
    let certificate = params.self_signed(&key)?;

    Ok(certificate.pem() + &key.serialize_pem())
}

/// Writes the file under another name first, so that it is never half there; a file that somebody
/// else has put there meanwhile stays.
pub(crate) fn store(directory: &Path, path: &Path, pem: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let fresh = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;

    linked.or_else(|error| match error.kind() {
        ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })
}
