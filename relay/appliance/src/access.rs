//! Who may come in: addresses, API keys, and what they are while none is configured.

use crate::config::{Config, ConfigError};
use rand::Rng;
use rand::distr::Alphanumeric;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const HTTP_PORT: u16 = 7880;
const TLS_PORT: u16 = 7443;
const DEVELOPMENT_KEY: &str = "devkey";
const DEVELOPMENT_SECRET: &str = "secret-for-development-only-0123456789";
/// Name of the key that is made when HTTP faces a network and no key is configured.
const LAN_KEY: &str = "lan";
/// Its secret, in the data directory.
const LAN_FILE: &str = "lan-secret";
/// Characters of a secret that is made: 256 random bits.
const SECRET_CHARACTERS: usize = 43;

/// Addresses and keys as they are used.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Where HTTP is served.
    pub(crate) http: SocketAddr,
    /// Where HTTPS is served.
    pub(crate) tls: Option<SocketAddr>,
    /// API secrets by key name.
    pub(crate) keys: BTreeMap<String, String>,
    /// The key that signs guests' tokens.
    pub(crate) key: String,
    /// Whether no key is configured.
    pub(crate) development: bool,
}

impl Access {
    /// The addresses and keys that a configuration means. Without a configured key HTTP stays on
    /// loopback with a well-known key, or it faces a network with a random, kept secret.
    pub(crate) fn of(config: &Config) -> Result<Self, ConfigError> {
        let development = config.keys.is_empty();
        let default: IpAddr =
            if development { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }.into();
        let http = config.http_listen.unwrap_or((default, HTTP_PORT).into());
        let tls = config.http_tls_listen.unwrap_or(Some((http.ip(), TLS_PORT).into()));
        let (keys, key) = match config.keys.keys().next() {
            Some(first) => (config.keys.clone(), first.clone()),
            None => development_keys(&config.data, [Some(http), tls])?,
        };

        Ok(Self { http, tls, keys, key, development })
    }

    /// The secret of a key.
    pub(crate) fn secret(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// Whether anybody can make any token, since the secret is the well-known one.
    pub(crate) fn is_public(&self) -> bool {
        self.development && self.key == DEVELOPMENT_KEY
    }

    /// The key with which `token create` signs: in development one that a server on this machine
    /// takes, wherever it listens.
    pub(crate) fn signer(&self) -> &str {
        let lan = self.development && self.keys.contains_key(LAN_KEY);
        if lan { LAN_KEY } else { &self.key }
    }
}

type Keys = (BTreeMap<String, String>, String);

fn development_keys(data: &Path, listen: [Option<SocketAddr>; 2]) -> Result<Keys, ConfigError> {
    let faces_network = listen.into_iter().flatten().any(|address| !address.ip().is_loopback());
    if faces_network {
        let secret = kept_secret(data, LAN_FILE).map_err(|e| ConfigError::Contradiction {
            key: "data.directory",
            problem: format!(
                "{}: {e}; the API secret is kept there: make it writable, or set keys.NAME",
                data.display()
            ),
        })?;
        return Ok((BTreeMap::from([(LAN_KEY.to_owned(), secret)]), LAN_KEY.to_owned()));
    }
    let mut keys = BTreeMap::from([(DEVELOPMENT_KEY.to_owned(), DEVELOPMENT_SECRET.to_owned())]);
    // A secret that was made for the network is good on loopback as well: `token create` does not
    // know where the server listens.
    let kept = fs::read_to_string(data.join(LAN_FILE)).unwrap_or_default();
    if !kept.trim().is_empty() {
        keys.insert(LAN_KEY.to_owned(), kept.trim().to_owned());
    }

    Ok((keys, DEVELOPMENT_KEY.to_owned()))
}

/// A secret that nobody else knows.
pub(crate) fn random_secret() -> String {
    let random = rand::rng().sample_iter(&Alphanumeric).take(SECRET_CHARACTERS);

    random.map(char::from).collect()
}

/// The kept secret; made with the first use, readable by this user only.
pub(crate) fn kept_secret(data: &Path, file: &str) -> io::Result<String> {
    let path = data.join(file);
    match fs::read_to_string(&path) {
        Ok(kept) if !kept.trim().is_empty() => return Ok(kept.trim().to_owned()),
        Ok(_) => fs::remove_file(&path)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let secret = random_secret();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{secret}")?;

    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(sets: &[&str]) -> Access {
        let data = std::env::temp_dir().join(format!("millrace-access-{}", std::process::id()));
        let sets = sets.iter().map(|set| (*set).to_owned());
        let sets: Vec<_> = sets.chain([format!("data.directory={}", data.display())]).collect();
        let access = Access::of(&Config::load(None, &sets).unwrap()).unwrap();
        let _ = fs::remove_dir_all(&data);

        access
    }

    #[test]
    fn a_secret_is_public_on_loopback_without_a_key_only() {
        assert!(access(&[]).is_public());
        assert!(!access(&["http.listen=0.0.0.0:7880"]).is_public());
        assert!(!access(&["http.tls_listen=0.0.0.0:7443"]).is_public());
        assert!(!access(&["keys.one=0123456789012345678901234567890123456789"]).is_public());
        let guests = ["keys.one=0123456789012345678901234567890123456789", "page.guests=true"];
        assert!(!access(&guests).is_public());
    }
}
