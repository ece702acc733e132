//! Where Redis is: one server, Sentinels that know it, or a Cluster.

use std::fmt;
use std::str::FromStr;

/// Addresses that a URL may name.
const HOSTS_MAX: usize = 64;

/// A location of Redis (`redis.url`). What it prints never has the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(crate) kind: Kind,
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: i64,
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is the one named.
    Single,
    /// Those named are Sentinels, which know the server of this name.
    Sentinel(String),
    /// Those named are some of a Cluster.
    Cluster,
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forms = "must be redis://HOST:PORT, rediss:// (TLS), \
                     redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,…";
        let (scheme, rest) = text.split_once("://").ok_or(forms)?;
        let (tls, kind, port) = match scheme {
            "redis" => (false, Kind::Single, 6379),
            "rediss" => (true, Kind::Single, 6379),
            "redis+sentinel" => (false, Kind::Sentinel(String::new()), 26_379),
            "rediss+sentinel" => (true, Kind::Sentinel(String::new()), 26_379),
            "redis+cluster" => (false, Kind::Cluster, 6379),
            "rediss+cluster" => (true, Kind::Cluster, 6379),
            _ => return Err(forms.to_owned()),
        };
        if rest.contains(['?', '#']) {
            return Err("has ? or #: write them as %3F and %23 in a password".to_owned());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = self::credentials(credentials)?;
        let hosts = self::hosts(hosts, port)?;
        let (kind, database) = named(kind, path)?;
        if kind == Kind::Single && hosts.len() > 1 {
            let several = "names several servers: redis+sentinel:// and redis+cluster:// do that";
            return Err(several.to_owned());
        }

        Ok(Self { kind, tls, hosts, user, password, database })
    }
}

fn credentials(text: &str) -> Result<(Option<String>, Option<String>), String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let filled = |text: &str| -> Result<_, String> {
        let text = unescaped(text)?;
        Ok((!text.is_empty()).then_some(text))
    };

    Ok((filled(user)?, filled(password)?))
}

/// A text without its %XX.
fn unescaped(text: &str) -> Result<String, String> {
    let wrong = || "has a % in its user or password that is no %XX".to_owned();
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = others;
    }

    String::from_utf8(bytes).map_err(|_| wrong())
}

fn hosts(text: &str, port: u16) -> Result<Vec<(String, u16)>, String> {
    let hosts: Vec<_> = text.split(',').map(|one| host(one, port)).collect::<Result<_, _>>()?;
    if hosts.len() > HOSTS_MAX {
        return Err(format!("names more than {HOSTS_MAX} servers"));
    }

    Ok(hosts)
}

fn host(text: &str, default: u16) -> Result<(String, u16), String> {
    let wrong = || format!("\"{text}\" is not HOST:PORT");
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(within) => within.ok_or_else(wrong)?,
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
        None if port.is_empty() => default,
        None => return Err(wrong()),
    };
    if host.is_empty() {
        return Err(wrong());
    }

    Ok((host.to_owned(), port))
}

/// What stands behind the hosts: the name that Sentinels know, or a database's number.
fn named(kind: Kind, path: &str) -> Result<(Kind, i64), String> {
    match kind {
        Kind::Sentinel(_) if path.is_empty() || path.contains('/') => {
            Err("lacks the name that Sentinel knows the server by: …/NAME".to_owned())
        }
        Kind::Sentinel(_) => Ok((Kind::Sentinel(path.to_owned()), 0)),
        Kind::Cluster if !path.is_empty() => {
            Err("names a database: a Cluster has only one".to_owned())
        }
        Kind::Cluster => Ok((kind, 0)),
        Kind::Single if path.is_empty() => Ok((kind, 0)),
        Kind::Single => {
            let number = path.parse().ok().filter(|number| (0..=9_999).contains(number));
            Ok((kind, number.ok_or("names a database that is no number: …/0")?))
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = if self.tls { "s" } else { "" };
        let (kind, path) = match &self.kind {
            Kind::Single => ("", String::new()),
            Kind::Sentinel(name) => ("+sentinel", format!("/{name}")),
            Kind::Cluster => ("+cluster", String::new()),
        };
        let hosts: Vec<_> =
            self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();

        write!(f, "redis{secure}{kind}://{}{path}", hosts.join(","))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RedisUrl {
        text.parse().unwrap()
    }

    #[test]
    fn each_form_is_read() {
        let single = url("redis://cache.example/3");
        assert_eq!(single.hosts, [("cache.example".to_owned(), 6379)]);
        assert_eq!((single.kind, single.tls, single.database), (Kind::Single, false, 3));
        let secure = url("rediss://me:p%40ss%3a@[::1]:7000");
        assert_eq!(secure.hosts, [("::1".to_owned(), 7000)]);
        assert_eq!(secure.password.as_deref(), Some("p@ss:"));
        assert_eq!((secure.user.as_deref(), secure.tls), (Some("me"), true));
        let sentinel = url("redis+sentinel://:secret@one,two:5/main");
        assert_eq!(sentinel.kind, Kind::Sentinel("main".to_owned()));
        assert_eq!(sentinel.hosts, [("one".to_owned(), 26_379), ("two".to_owned(), 5)]);
        assert_eq!(url("rediss+cluster://a:1,b:2").kind, Kind::Cluster);
    }

    #[test]
    fn passwords_are_never_printed() {
        let url = url("redis+sentinel://alice:hunter2@one,two/main");
        for printed in [url.to_string(), format!("{url:?}")] {
            assert_eq!(printed, "redis+sentinel://one:26379,two:26379/main");
        }
        for wrong in ["redis://:hunter2@", "redis://x:hunter2@a/b", "redis://x:hunter2%@a"] {
            let problem = wrong.parse::<RedisUrl>().unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("cache.example", "must be redis://HOST:PORT"),
            ("http://cache.example", "must be redis://HOST:PORT"),
            ("redis://a:port", "\"a:port\" is not HOST:PORT"),
            ("redis://a:0", "is not HOST:PORT"),
            ("redis://[::1", "is not HOST:PORT"),
            ("redis://a:1,b:2", "names several servers"),
            ("redis://a/main", "no number"),
            ("redis+sentinel://a", "lacks the name"),
            ("redis+cluster://a/1", "names a database"),
            ("redis://a?db=1", "? or #"),
        ];
        for (text, expected) in cases {
            let problem = text.parse::<RedisUrl>().unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
