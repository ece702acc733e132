//! Texts with places that are filled in when a server starts: `{ip}`, `{port}` and others.

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// What can be filled in.
const NAMES: [&str; 9] =
    ["dir", "ip", "port", "tls_port", "rtc_port", "rtc_tcp_port", "secret", "cert", "key"];

/// A text with names in braces; a brace that is not followed by a name and a brace is itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template(String);

/// What names stand for.
pub(super) type Values = BTreeMap<&'static str, String>;

impl Template {
    /// The text with everything filled in.
    pub(super) fn fill(&self, values: &Values) -> Result<String> {
        let mut text = String::with_capacity(self.0.len());
        for part in parts(&self.0) {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Name(name) => {
                    let value = values.get(name);
                    text.push_str(value.with_context(|| format!("`{{{name}}}` has no value"))?);
                }
            }
        }

        Ok(text)
    }

    /// Whether a name is in it.
    pub(super) fn names(&self, name: &str) -> bool {
        parts(&self.0).any(|part| matches!(part, Part::Name(found) if found == name))
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = parts(&text).find_map(|part| match part {
            Part::Name(name) if !NAMES.contains(&name) => Some(name),
            Part::Name(_) | Part::Text(_) => None,
        });
        if let Some(name) = unknown {
            let known = NAMES.map(|name| format!("{{{name}}}")).join(" ");
            return Err(de::Error::custom(format!(
                "`{{{name}}}` means nothing; there are {known}"
            )));
        }

        Ok(Self(text))
    }
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some((name, after)) = name_at_start(rest) {
            rest = after;
            return Some(Part::Name(name));
        }
        let first = rest.chars().next()?.len_utf8();
        let end = rest[first..].find('{').map_or(rest.len(), |at| first + at);
        let (part, after) = rest.split_at(end);
        rest = after;

        Some(Part::Text(part))
    })
}

fn name_at_start(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');

    is_name.then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Option<String> {
        let values = Values::from([("ip", "127.0.0.1".to_owned()), ("port", "80".to_owned())]);

        Template(text.to_owned()).fill(&values).ok()
    }

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        for (text, expected) in [
            ("{ip}:{port}", "127.0.0.1:80"),
            ("{ {ip} } {", "{ 127.0.0.1 } {"),
            ("{{ip}}", "{127.0.0.1}"),
            ("a {\n x = 1\n}", "a {\n x = 1\n}"),
            ("{} é{ip}", "{} é127.0.0.1"),
        ] {
            assert_eq!(fill(text).as_deref(), Some(expected));
        }
        assert_eq!(fill("{cert}"), None);
    }
}
