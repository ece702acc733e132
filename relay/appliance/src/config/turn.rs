//! The keys of TURN.

use super::error::ConfigError;
use super::settings::Setting;
use relay_server::Advertise;
use signalling_server::Network;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Value;

/// Bytes of a user name or password (RFC 8489, section 14.3: fewer than 509).
const NAME_BYTES_MAX: usize = 508;
/// Characters of a realm (RFC 8489, section 14.9: fewer than 128).
const REALM_CHARACTERS_MAX: usize = 127;
/// Ports below are for services that are known by them.
const PORT_MIN: u16 = 1_024;
/// The default lifetime of an allocation (RFC 8656, section 3.2), which clients count on.
const LIFETIME_MIN: u64 = 600;
const LIFETIME_MAX: u64 = 86_400;

/// What was configured of TURN; empty and `None` where a default depends on other things.
#[derive(Clone)]
pub(crate) struct Turn {
    /// `turn.realm`.
    pub(crate) realm: String,
    /// `turn.users.NAME`.
    pub(crate) users: BTreeMap<String, String>,
    /// `turn.secrets`, newest first; empty: a random one for each start.
    pub(crate) secrets: Vec<String>,
    /// `turn.tls_listen`.
    pub(crate) tls_listen: Vec<SocketAddr>,
    /// `turn.hostname`.
    pub(crate) hostname: Option<String>,
    /// `turn.relay_addresses`.
    pub(crate) relay_addresses: Vec<Advertise>,
    /// `turn.relay_ports`.
    pub(crate) relay_ports: RangeInclusive<u16>,
    /// `turn.allow_peers`.
    pub(crate) allow_peers: Vec<Network>,
    /// `turn.deny_peers`.
    pub(crate) deny_peers: Vec<Network>,
    /// `turn.quota.user`; `None`: no limit.
    pub(crate) quota_user: Option<u32>,
    /// `turn.quota.address`; `None`: no limit.
    pub(crate) quota_address: Option<u32>,
    /// `turn.quota.total`; `None`: as many as there are ports.
    pub(crate) quota_total: Option<u32>,
    /// `turn.bandwidth_bps`; `None`: no limit.
    pub(crate) bandwidth_bps: Option<u64>,
    /// `turn.lifetime_max_seconds`.
    pub(crate) lifetime_max: Duration,
    /// `turn.challenges_per_second`; 0: no limit.
    pub(crate) challenges_per_second: u32,
    /// `turn.alternate_servers`, at most one of each address family.
    pub(crate) alternate_servers: Vec<SocketAddr>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            realm: "millrace".to_owned(),
            users: BTreeMap::new(),
            secrets: Vec::new(),
            tls_listen: Vec::new(),
            hostname: None,
            relay_addresses: Vec::new(),
            relay_ports: 49_152..=65_535,
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            quota_user: None,
            quota_address: None,
            quota_total: None,
            bandwidth_bps: None,
            lifetime_max: Duration::from_secs(3_600),
            challenges_per_second: 1_000,
            alternate_servers: Vec::new(),
        }
    }
}

impl Turn {
    /// Applies the setting of a key that begins with `turn.`; an error never shows a secret.
    pub(super) fn apply(&mut self, key: &str, setting: &Setting) -> Result<(), ConfigError> {
        match key {
            "realm" => self.realm = realm(setting)?,
            "secrets" => self.secrets = secrets(setting)?,
            "tls_listen" if setting.value.as_str() == Some("") => self.tls_listen.clear(),
            "tls_listen" => {
                self.tls_listen = setting.list_or_one("ADDRESS:PORT, as \"0.0.0.0:5349\"")?;
            }
            "hostname" => self.hostname = hostname(setting)?,
            "relay_addresses" => {
                let what = "an address of this machine, or PUBLIC/LOCAL behind NAT";
                self.relay_addresses = setting.list_or_one(what)?;
            }
            "relay_ports" => self.relay_ports = ports(setting)?,
            "allow_peers" => {
                self.allow_peers = setting.list_or_one("an address range, as \"10.0.0.0/8\"")?;
            }
            "deny_peers" => {
                self.deny_peers = setting.list_or_one("an address range, as \"10.0.0.0/8\"")?;
            }
            "quota.user" => self.quota_user = limit(setting)?,
            "quota.address" => self.quota_address = limit(setting)?,
            "quota.total" => self.quota_total = limit(setting)?,
            "bandwidth_bps" => {
                let bits = setting.whole(0..=u64::MAX >> 1)?;
                self.bandwidth_bps = (bits > 0).then_some(bits);
            }
            "lifetime_max_seconds" => {
                let seconds = setting.whole(LIFETIME_MIN..=LIFETIME_MAX)?;
                self.lifetime_max = Duration::from_secs(seconds);
            }
            "challenges_per_second" => {
                self.challenges_per_second = setting.whole(0..=u32::MAX.into())? as u32;
            }
            "alternate_servers" => self.alternate_servers = alternates(setting)?,
            key => {
                let name = key.strip_prefix("users.").unwrap_or(key);
                let password = password(name, setting)?;
                self.users.insert(name.to_owned(), password);
            }
        }

        Ok(())
    }
}

fn realm(setting: &Setting) -> Result<String, ConfigError> {
    let realm = setting.filled()?;
    if realm.chars().count() > REALM_CHARACTERS_MAX {
        return Err(setting.wrong(format!("must have at most {REALM_CHARACTERS_MAX} characters")));
    }
    if realm.chars().any(|c| c.is_control() || c == '"') {
        return Err(setting.wrong("must not hold quotes or control characters"));
    }

    Ok(realm.to_owned())
}

fn secrets(setting: &Setting) -> Result<Vec<String>, ConfigError> {
    let wrong = || setting.wrong("must be a list of texts that are not empty: [\"newest\", ...]");
    let values = match &setting.value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let secret = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);

    values.iter().map(|value| secret(value).ok_or_else(wrong)).collect()
}

fn password(name: &str, setting: &Setting) -> Result<String, ConfigError> {
    let is_wrong = |text: &str| text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control);
    let password = setting.filled()?;
    if is_wrong(name) || is_wrong(password) {
        let problem = format!(
            "user name and password must have at most {NAME_BYTES_MAX} bytes and no control \
             characters"
        );
        return Err(setting.wrong(problem));
    }

    Ok(password.to_owned())
}

fn hostname(setting: &Setting) -> Result<Option<String>, ConfigError> {
    let name = setting.text()?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !name.is_empty() && (name.len() > 253 || !name.split('.').all(is_label)) {
        let problem = format!("\"{name}\" is not a DNS name, as \"turn.example.org\"");
        return Err(setting.wrong(problem));
    }

    Ok((!name.is_empty()).then(|| name.to_owned()))
}

fn ports(setting: &Setting) -> Result<RangeInclusive<u16>, ConfigError> {
    let text = setting.text()?;
    let wrong = || {
        setting.wrong(format!(
            "\"{text}\" is not FIRST-LAST with ports from {PORT_MIN} on, as \"49152-65535\""
        ))
    };
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    let range = port(first)?..=port(last)?;
    if range.is_empty() || *range.start() < PORT_MIN {
        return Err(wrong());
    }

    Ok(range)
}

/// A number of allocations; 0 means that there is no limit.
fn limit(setting: &Setting) -> Result<Option<u32>, ConfigError> {
    let number = setting.whole(0..=u32::MAX.into())? as u32;

    Ok((number > 0).then_some(number))
}

fn alternates(setting: &Setting) -> Result<Vec<SocketAddr>, ConfigError> {
    let servers: Vec<SocketAddr> = setting.list_or_one("ADDRESS:PORT, as \"192.0.2.9:3478\"")?;
    let of_v4 = servers.iter().filter(|server| server.is_ipv4()).count();
    if of_v4 > 1 || servers.len() - of_v4 > 1 {
        return Err(setting.wrong("must name at most one server for IPv4 and one for IPv6"));
    }

    Ok(servers)
}
