//! Which keys exist, and what to say about the others.

use super::error::{ConfigError, Origin};

/// How `--set` reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The text as it is.
    Text,
    /// A TOML array, or one element as it is.
    List,
    /// TOML: a number, true, false.
    Toml,
}

/// Every key but `keys.NAME` and `turn.users.NAME`.
const KEYS: &[(&str, Kind)] = &[
    ("control.socket", Kind::Text),
    ("data.directory", Kind::Text),
    ("http.listen", Kind::Text),
    ("http.tls_listen", Kind::Text),
    ("log.format", Kind::Text),
    ("media.advertise", Kind::List),
    ("media.dtls", Kind::Text),
    ("media.io", Kind::Text),
    ("media.listen", Kind::List),
    ("media.shards", Kind::Toml),
    ("metrics.allow", Kind::List),
    ("metrics.listen", Kind::Text),
    ("node.name", Kind::Text),
    ("node.region", Kind::Text),
    ("page.guests", Kind::Toml),
    ("recording.auto", Kind::Toml),
    ("recording.directory", Kind::Text),
    ("stun.listen", Kind::List),
    ("tls.cert", Kind::Text),
    ("tls.key", Kind::Text),
    ("turn.allow_peers", Kind::List),
    ("turn.alternate_servers", Kind::List),
    ("turn.bandwidth_bps", Kind::Toml),
    ("turn.challenges_per_second", Kind::Toml),
    ("turn.deny_peers", Kind::List),
    ("turn.hostname", Kind::Text),
    ("turn.lifetime_max_seconds", Kind::Toml),
    ("turn.quota.address", Kind::Toml),
    ("turn.quota.total", Kind::Toml),
    ("turn.quota.user", Kind::Toml),
    ("turn.realm", Kind::Text),
    ("turn.relay_addresses", Kind::List),
    ("turn.relay_ports", Kind::Text),
    ("turn.secrets", Kind::List),
    ("turn.tls_listen", Kind::List),
    ("webhook.ca", Kind::Text),
    ("webhook.key", Kind::Text),
    ("webhook.url", Kind::Text),
    ("xdp.bindings_max", Kind::Toml),
    ("xdp.flows_max", Kind::Toml),
    ("xdp.interface", Kind::List),
    ("xdp.mode", Kind::Text),
    ("xdp.pins", Kind::Text),
    ("xdp.place", Kind::Toml),
    ("xdp.steer", Kind::Toml),
];

/// Sections whose keys have any name, and whose values are secrets.
const NAMED: [&str; 2] = ["keys", "turn.users"];

/// Sections that this version does not have yet: refused, so that nothing is silently ignored.
const LATER: &[&str] = &["redis", "policy"];

/// The kind of a key, or why there is no such key.
pub(crate) fn kind(key: &str, origin: &Origin) -> Result<Kind, ConfigError> {
    let named = NAMED.iter().find_map(|section| key.strip_prefix(section)?.strip_prefix('.'));
    if named.is_some_and(|name| !name.is_empty()) {
        return Ok(Kind::Text);
    }
    if let Some((_, kind)) = KEYS.iter().find(|(name, _)| *name == key) {
        return Ok(*kind);
    }

    Err(unknown(key, origin))
}

/// Whether a section has keys of ours; an empty section may stand.
pub(crate) fn section(section: &str, origin: &Origin) -> Result<(), ConfigError> {
    let ours = |key: &str| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    if NAMED.contains(&section) || KEYS.iter().any(|(name, _)| ours(name)) {
        return Ok(());
    }

    Err(unknown(section, origin))
}

fn unknown(key: &str, origin: &Origin) -> ConfigError {
    let first = key.split('.').next().unwrap_or(key);
    let hint = if LATER.contains(&first) {
        format!("\"{first}\" is not supported by this version yet: take it out")
    } else {
        let names = KEYS.iter().map(|(name, _)| *name).chain(["keys.NAME", "turn.users.NAME"]);
        let nearest = names.min_by_key(|name| distance(key, name));
        match nearest.filter(|name| distance(key, name) <= name.len() / 2) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => "take it out; the README lists the keys".to_owned(),
        }
    };

    ConfigError::UnknownKey { origin: origin.clone(), key: key.to_owned(), hint }
}

/// How many letters must be changed, added or taken out to make one text of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }

    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(key: &str) -> String {
        kind(key, &Origin::CommandLine).unwrap_err().to_string()
    }

    #[test]
    fn the_nearest_key_is_suggested() {
        assert!(hint("http.listn").contains("did you mean \"http.listen\"?"));
        assert!(hint("media.shard").contains("did you mean \"media.shards\"?"));
        assert!(hint("page.guest").contains("\"page.guests\""));
    }

    #[test]
    fn keys_of_later_versions_are_refused_by_name() {
        assert!(hint("policy.url").contains("not supported by this version yet"));
        assert!(hint("redis.url").contains("redis"));
    }

    #[test]
    fn an_api_key_has_any_name() {
        assert_eq!(kind("keys.anything", &Origin::CommandLine), Ok(Kind::Text));
        assert!(kind("keys.", &Origin::CommandLine).is_err());
    }

    #[test]
    fn a_user_of_turn_has_any_name() {
        assert_eq!(kind("turn.users.a.b@c", &Origin::CommandLine), Ok(Kind::Text));
        assert_eq!(section("turn.users", &Origin::CommandLine), Ok(()));
        assert_eq!(section("turn.quota", &Origin::CommandLine), Ok(()));
        assert!(hint("turn.user.bob").contains("did you mean \"turn.users.NAME\"?"));
        assert!(kind("turn.users.", &Origin::CommandLine).is_err());
        assert!(section("turn.user", &Origin::CommandLine).is_err());
    }

    #[test]
    fn distance_counts_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
