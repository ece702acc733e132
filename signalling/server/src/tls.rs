//! TLS: the operator's certificate, or a self-signed one kept in the data directory.

use crate::config::CertificateFiles;
use crate::{Config, StartError, local_addresses};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::TlsAcceptor;

/// How long a self-signed certificate is valid.
const VALIDITY: Duration = Duration::from_secs(397 * 86_400);
/// A self-signed certificate with less than this left is made anew at start.
const RENEWAL: Duration = Duration::from_secs(30 * 86_400);
/// How often the operator's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const FIX_PAIR: &str = "give a certificate and the key that belongs to it";
const FIX_FILES: &str = "tls.cert and tls.key must be PEM files that this user can read";

/// The certificate of HTTPS; it can be replaced while connections stand.
#[derive(Debug)]
pub struct HttpsCertificate {
    current: RwLock<Arc<CertifiedKey>>,
    /// The operator's files, and what they looked like when they were last read.
    files: Mutex<(Option<CertificateFiles>, Look)>,
    data: PathBuf,
}

/// Time and length of certificate and key; `None` of a file that is not there.
type Look = [Option<(SystemTime, u64)>; 2];

impl HttpsCertificate {
    /// Reads the operator's certificate, or makes one of our own.
    pub(crate) fn load(config: &Config) -> Result<Self, StartError> {
        let seen = look(config.certificate.as_ref());
        let current = RwLock::new(certified(config.certificate.as_ref(), &config.data)?);
        let files = Mutex::new((config.certificate.clone(), seen));

        Ok(Self { current, files, data: config.data.clone() })
    }

    /// Looks at the operator's files from time to time, and reads them again when they change.
    pub(crate) async fn watch(&self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let (files, seen) = self.files().clone();
            let now = look(files.as_ref());
            if files.is_none() || now == seen {
                continue;
            }
            match self.reload(files.as_ref()) {
                Ok(true) => tracing::info!("HTTPS has a new certificate"),
                Ok(false) => {}
                // Half of the pair may be written already: the other half changes the look again.
                Err(error) => {
                    self.files().1 = now;
                    tracing::warn!(%error, "HTTPS keeps its certificate");
                }
            }
        }
    }

    /// Reads the certificate again; new connections get it. Returns whether it is another one; on
    /// an error the old one stays.
    pub fn reload(&self, files: Option<&CertificateFiles>) -> Result<bool, StartError> {
        let seen = look(files);
        let newer = certified(files, &self.data)?;
        *self.files() = (files.cloned(), seen);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = current.cert != newer.cert;
        *current = newer;

        Ok(is_other)
    }

    fn files(&self) -> MutexGuard<'_, (Option<CertificateFiles>, Look)> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(files: Option<&CertificateFiles>) -> Look {
    let of = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };

    files.map_or([None; 2], |files| [of(&files.certificate), of(&files.key)])
}

impl ResolvesServerCert for HttpsCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The acceptor for `http.tls_listen`.
pub(crate) fn acceptor(certificate: Arc<HttpsCertificate>) -> Result<TlsAcceptor, StartError> {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| StartError::file("tls.cert", &certificate.data, &e, FIX_PAIR))?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];

    Ok(TlsAcceptor::from(Arc::new(tls)))
}

fn certified(
    files: Option<&CertificateFiles>,
    data: &Path,
) -> Result<Arc<CertifiedKey>, StartError> {
    let (chain, key) = match files {
        Some(files) => operators(files)?,
        None => self_signed(data)?,
    };
    let path = files.map_or(data, |files| &files.certificate);

    CertifiedKey::from_der(chain, key, &default_provider())
        .map(Arc::new)
        .map_err(|e| StartError::file("tls.cert", path, &e, FIX_PAIR))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn operators(files: &CertificateFiles) -> Result<Identity, StartError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| StartError::file("tls.cert", &files.certificate, &e, FIX_FILES))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| StartError::file("tls.key", &files.key, &e, FIX_FILES))?;

    Ok((chain, key))
}

/// Reads the kept certificate; makes one when there is none, when it is about to expire, or when
/// this machine's names have changed.
fn self_signed(data: &Path) -> Result<Identity, StartError> {
    let path = data.join("https-self-signed.pem");
    let names = names();
    let wanted = names.join(" ");
    if let Some(identity) = fs::read_to_string(&path).ok().and_then(|kept| reuse(&kept, &wanted)) {
        return Ok(identity);
    }

    let failed = |problem: String| {
        StartError::file("data.directory", data, &problem, "make it writable, or set another")
    };
    let (certificate, key) = generate(names).map_err(|e| failed(e.to_string()))?;
    let until = unix_seconds() + VALIDITY.as_secs();
    let pem = format!("names: {wanted}\nuntil: {until}\n{certificate}{key}");
    keep(data, &path, &pem).map_err(|e| failed(e.to_string()))?;

    reuse(&pem, &wanted).ok_or_else(|| failed("the certificate just made is unusable".to_owned()))
}

/// The identity in a kept file, if it is for these names and valid for long enough.
fn reuse(pem: &str, wanted: &str) -> Option<Identity> {
    let mut lines = pem.lines();
    let names = lines.next()?.strip_prefix("names: ")?;
    let until: u64 = lines.next()?.strip_prefix("until: ")?.parse().ok()?;
    if names != wanted || until < unix_seconds() + RENEWAL.as_secs() {
        return None;
    }
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;

    Some((vec![certificate], key))
}

/// `localhost`, the host's name, and the addresses of this machine.
fn names() -> Vec<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_dns = |name: &&str| !name.is_empty() && name.is_ascii() && *name != "(none)";
    let host = Some(host.trim()).filter(is_dns).map(str::to_owned);
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(host.filter(|host| host != "localhost"));
    names.extend(local_addresses().iter().map(ToString::to_string));

    names
}

fn generate(names: Vec<String>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Millrace, self-signed");
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(86_400)).into();
    params.not_after = (now + VALIDITY).into();
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;

    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only this user can read, whole or not at all.
fn keep(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;

    fs::rename(&partial, path)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
