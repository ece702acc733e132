//! The keys of TURN.

use super::error::ConfigError;
use super::settings::Setting;
use relay_server::TurnSettings;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Value;

/// Bytes of a user name or password (RFC 8489, section 14.3: fewer than 509).
const NAME_BYTES_MAX: usize = 508;
/// Bytes of a realm: browsers ask for an allocation with 28 bytes, and the challenge, which
/// must not be longer than twice that, has no room for more.
const REALM_BYTES_MAX: usize = 16;
/// Ports below are for services that are known by them.
const PORT_MIN: u16 = 1_024;
/// The default lifetime of an allocation (RFC 8656, section 3.2), which clients count on.
const LIFETIME_MIN: u64 = 600;
const LIFETIME_MAX: u64 = 86_400;

/// Applies the setting of a key that begins with `turn.`; an error never shows a secret.
pub(super) fn apply(
    turn: &mut TurnSettings,
    key: &str,
    setting: &Setting,
) -> Result<(), ConfigError> {
    let range = "an address range, as \"10.0.0.0/8\"";
    match key {
        "realm" => turn.realm = realm(setting)?,
        "secrets" => turn.secrets = secrets(setting)?,
        "tls_listen" if setting.value.as_str() == Some("") => turn.tls_listen.clear(),
        "tls_listen" => {
            turn.tls_listen = setting.list_or_one("ADDRESS:PORT, as \"0.0.0.0:5349\"")?;
        }
        "hostname" => turn.hostname = hostname(setting)?,
        "relay_addresses" => {
            let what = "an address of this machine, or PUBLIC/LOCAL behind NAT";
            turn.relay_addresses = setting.list_or_one(what)?;
        }
        "relay_ports" => turn.relay_ports = ports(setting)?,
        "allow_peers" => turn.allow_peers = setting.list_or_one(range)?,
        "deny_peers" => turn.deny_peers = setting.list_or_one(range)?,
        "quota.user" => turn.quotas.user = limit(setting)?.unwrap_or(usize::MAX),
        "quota.address" => turn.quotas.address = limit(setting)?.unwrap_or(usize::MAX),
        "quota.total" => turn.quotas.total = limit(setting)?,
        "bandwidth_bps" => {
            let bits = setting.whole(0..=u64::MAX >> 1)?;
            turn.bandwidth_bps = (bits > 0).then_some(bits);
        }
        "lifetime_max_seconds" => {
            let seconds = setting.whole(LIFETIME_MIN..=LIFETIME_MAX)?;
            turn.lifetime_max = Duration::from_secs(seconds);
        }
        "challenges_per_second" => {
            turn.challenges_a_second = setting.whole(0..=u32::MAX.into())? as u32;
        }
        "alternate_servers" => turn.alternates = alternates(setting)?,
        key => {
            let name = key.strip_prefix("users.").unwrap_or(key);
            let password = password(name, setting)?;
            turn.users.retain(|(known, _)| known != name);
            turn.users.push((name.to_owned(), password));
        }
    }

    Ok(())
}

fn realm(setting: &Setting) -> Result<String, ConfigError> {
    let realm = setting.filled()?;
    if realm.len() > REALM_BYTES_MAX {
        return Err(setting.wrong(format!(
            "must have at most {REALM_BYTES_MAX} bytes: the challenge that names it may not be \
             longer than twice a browser's request"
        )));
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
fn limit(setting: &Setting) -> Result<Option<usize>, ConfigError> {
    let number = setting.whole(0..=u32::MAX.into())? as usize;

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
