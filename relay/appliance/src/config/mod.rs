//! The configuration: a TOML file, `--set`, and defaults.

mod error;
mod keys;
mod recording;
mod settings;
mod turn;
mod value;
mod xdp;

pub(crate) use error::ConfigError;
use recording::Recording;
use relay_server::{Advertise, DtlsVersions, IoKind, SteerSettings, TurnSettings, XdpSettings};
use settings::Setting;
use signalling_server::{CertificateFiles, Network, WebhookUrl};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::Value;
use xdp::Steer;

/// Read when `--config` is not given and it is there.
const DEFAULT_FILE: &str = "/etc/millrace/millrace.toml";
const MEDIA_PORT: u16 = 3478;
/// Where `serve` opens its control socket, in the data directory, when it may not in `/run`.
const FALLBACK_SOCKET: &str = "relay.sock";

/// What was configured; `None` and empty where a default depends on other things.
#[derive(Clone)]
pub(crate) struct Config {
    /// `http.listen`.
    pub(crate) http_listen: Option<SocketAddr>,
    /// `http.tls_listen`; `Some(None)` when it is the empty text: no HTTPS.
    pub(crate) http_tls_listen: Option<Option<SocketAddr>>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    /// `media.listen`.
    pub(crate) media_listen: Vec<SocketAddr>,
    /// `media.advertise`.
    pub(crate) media_advertise: Vec<Advertise>,
    /// `media.io`.
    pub(crate) media_io: IoKind,
    /// `media.shards`.
    pub(crate) media_shards: Option<u16>,
    /// `media.dtls`.
    pub(crate) media_dtls: DtlsVersions,
    /// `keys.NAME`.
    pub(crate) keys: BTreeMap<String, String>,
    /// `page.guests`.
    pub(crate) guests: bool,
    /// `metrics.listen`.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// `metrics.allow`.
    pub(crate) metrics_allow: Vec<Network>,
    /// `log.format` is `json`.
    pub(crate) log_json: bool,
    /// `control.socket`.
    pub(crate) control_socket: PathBuf,
    /// `node.name`.
    pub(crate) node_name: String,
    /// `node.region`.
    pub(crate) node_region: String,
    /// `webhook.url`.
    pub(crate) webhook_url: Option<WebhookUrl>,
    /// `webhook.key`.
    pub(crate) webhook_key: Option<String>,
    /// `webhook.ca`.
    pub(crate) webhook_ca: Option<PathBuf>,
    /// `data.directory`.
    pub(crate) data: PathBuf,
    /// `recording.*`.
    pub(crate) recording: Recording,
    /// `stun.listen`.
    pub(crate) stun_listen: Vec<SocketAddr>,
    /// `turn.*`.
    pub(crate) turn: TurnSettings,
    /// `xdp.*`; without an interface the kernel relays nothing.
    pub(crate) xdp: XdpSettings,
    steer: Steer,
    /// Every key that was set, with its value.
    values: BTreeMap<String, Value>,
}

impl Config {
    /// Reads the file (or the default one, if it is there), then the `--set`s in their order.
    pub(crate) fn load(file: Option<&Path>, sets: &[String]) -> Result<Self, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or(default.exists().then_some(default));
        let mut all = file.map(settings::from_file).transpose()?.unwrap_or_default();
        for set in sets {
            all.push(settings::from_command_line(set)?);
        }
        let mut config = Self::new();
        for setting in all {
            config.apply(&setting)?;
            config.values.insert(setting.key, setting.value);
        }
        config.certificate()?;
        config.steer()?;

        Ok(config)
    }

    /// Where the control socket is when it cannot be at `control_socket`.
    pub(crate) fn fallback_socket(&self) -> PathBuf {
        self.data.join(FALLBACK_SOCKET)
    }

    /// Where media logs and files of recordings are.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.recording.directory(&self.data)
    }

    /// Whether a key was set, in the file or by `--set`.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The keys that are set otherwise in `newer`.
    pub(crate) fn changes(&self, newer: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.values.keys().chain(newer.values.keys()).collect();
        let changed = |key: &&&String| self.values.get(**key) != newer.values.get(**key);

        keys.iter().filter(changed).map(|key| (*key).clone()).collect()
    }

    /// The operator's certificate, if both files are named.
    pub(crate) fn certificate(&self) -> Result<Option<CertificateFiles>, ConfigError> {
        let lacks = |key, other| {
            let problem = format!("is not set, but {other} is: a certificate needs both");
            Err(ConfigError::Contradiction { key, problem })
        };
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(_), None) => lacks("tls.key", "tls.cert"),
            (None, Some(_)) => lacks("tls.cert", "tls.key"),
            (Some(certificate), Some(key)) => {
                Ok(Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() }))
            }
        }
    }

    /// How the kernel is to find the shard of a datagram.
    pub(crate) fn steer(&self) -> Result<SteerSettings, ConfigError> {
        self.steer.settings(&self.xdp.interfaces)
    }

    fn new() -> Self {
        Self {
            http_listen: None,
            http_tls_listen: None,
            tls_cert: None,
            tls_key: None,
            media_listen: vec![
                (Ipv4Addr::UNSPECIFIED, MEDIA_PORT).into(),
                (Ipv6Addr::UNSPECIFIED, MEDIA_PORT).into(),
            ],
            media_advertise: Vec::new(),
            media_io: IoKind::Uring,
            media_shards: None,
            media_dtls: DtlsVersions::Auto,
            keys: BTreeMap::new(),
            guests: false,
            metrics_listen: None,
            metrics_allow: Network::loopback(),
            log_json: false,
            control_socket: PathBuf::from("/run/millrace/relay.sock"),
            node_name: host_name(),
            node_region: String::new(),
            webhook_url: None,
            webhook_key: None,
            webhook_ca: None,
            data: data_directory(),
            recording: Recording::default(),
            stun_listen: Vec::new(),
            turn: TurnSettings::default(),
            xdp: xdp::unset(),
            steer: Steer::unset(),
            values: BTreeMap::new(),
        }
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), ConfigError> {
        match setting.key.as_str() {
            "http.listen" => self.http_listen = Some(setting.address()?),
            "http.tls_listen" if setting.text()?.is_empty() => self.http_tls_listen = Some(None),
            "http.tls_listen" => self.http_tls_listen = Some(Some(setting.address()?)),
            "tls.cert" => self.tls_cert = Some(setting.filled()?.into()),
            "tls.key" => self.tls_key = Some(setting.filled()?.into()),
            "media.listen" => {
                self.media_listen = setting.list("ADDRESS:PORT, as \"0.0.0.0:3478\"")?;
                if self.media_listen.is_empty() {
                    return Err(setting.wrong("must name at least one ADDRESS:PORT"));
                }
            }
            "media.advertise" => {
                self.media_advertise = setting.list("an address, or PUBLIC/LOCAL behind NAT")?;
            }
            "media.io" if setting.text()? == "xdp" => {
                return Err(
                    setting.wrong("\"xdp\" is not supported by this version yet: use uring")
                );
            }
            "media.io" => {
                let choices = [("uring", IoKind::Uring), ("mmsg", IoKind::Mmsg)];
                self.media_io = setting.one_of(&choices)?;
            }
            "media.shards" => self.media_shards = Some(setting.number(1..=1_024)?),
            "media.dtls" => {
                let choices = [("auto", DtlsVersions::Auto), ("1.2", DtlsVersions::Only12)];
                self.media_dtls = setting.one_of(&choices)?;
            }
            "page.guests" => self.guests = setting.flag()?,
            "metrics.listen" => self.metrics_listen = Some(setting.address()?),
            "metrics.allow" => {
                self.metrics_allow = setting.list("an address range, as \"10.0.0.0/8\"")?;
            }
            "log.format" => self.log_json = setting.one_of(&[("text", false), ("json", true)])?,
            "control.socket" => self.control_socket = setting.filled()?.into(),
            "node.name" => self.node_name = setting.filled()?.to_owned(),
            "node.region" => self.node_region = setting.text()?.to_owned(),
            "webhook.url" => self.webhook_url = Some(setting.url()?),
            "webhook.key" => self.webhook_key = Some(setting.filled()?.to_owned()),
            "webhook.ca" => self.webhook_ca = Some(setting.filled()?.into()),
            "data.directory" => self.data = setting.filled()?.into(),
            "stun.listen" => {
                self.stun_listen = setting.list_or_one("ADDRESS:PORT, as \"192.0.2.1:3478\"")?;
            }
            key if key.starts_with("recording.") => {
                recording::apply(&mut self.recording, &key["recording.".len()..], setting)?;
            }
            key if key.starts_with("turn.") => {
                turn::apply(&mut self.turn, &key["turn.".len()..], setting)?;
            }
            key if key.starts_with("xdp.") => {
                xdp::apply(&mut self.xdp, &mut self.steer, &key["xdp.".len()..], setting)?;
            }
            key => {
                let name = key.strip_prefix("keys.").unwrap_or(key);
                self.keys.insert(name.to_owned(), setting.filled()?.to_owned());
            }
        }

        Ok(())
    }
}

/// `data` here, unless systemd names a state directory.
fn data_directory() -> PathBuf {
    let states = env::var("STATE_DIRECTORY").unwrap_or_default();
    let first = states.split(':').next().unwrap_or_default();
    if first.is_empty() { PathBuf::from("data") } else { PathBuf::from(first) }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "millrace".to_owned() } else { name.to_owned() }
}
