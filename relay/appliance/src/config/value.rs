//! Values of settings as types, with what to say when they do not fit.

use super::error::ConfigError;
use super::settings::Setting;
use signalling_server::WebhookUrl;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use toml::Value;

impl Setting {
    /// A text.
    pub(super) fn text(&self) -> Result<&str, ConfigError> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a text in quotes"))
    }

    /// A text that is not empty.
    pub(super) fn filled(&self) -> Result<&str, ConfigError> {
        let text = self.text()?;
        if text.is_empty() { Err(self.wrong("must not be empty")) } else { Ok(text) }
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, ConfigError> {
        self.value.as_bool().ok_or_else(|| self.wrong("must be true or false"))
    }

    /// A whole number in this range.
    pub(super) fn number(&self, range: std::ops::RangeInclusive<u16>) -> Result<u16, ConfigError> {
        let (first, last) = (u64::from(*range.start()), u64::from(*range.end()));

        self.whole(first..=last).map(|number| number as u16)
    }

    /// A whole number in this range, however large.
    pub(super) fn whole(&self, range: std::ops::RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let number = self.value.as_integer().and_then(|number| u64::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            self.wrong(format!("must be a whole number from {first} to {last}"))
        })
    }

    /// An address with its port.
    pub(super) fn address(&self) -> Result<SocketAddr, ConfigError> {
        let text = self.text()?;
        text.parse().map_err(|_| {
            self.wrong(format!("\"{text}\" is not ADDRESS:PORT, as 0.0.0.0:7880 or [::]:7880"))
        })
    }

    /// A URL of a web server.
    pub(super) fn url(&self) -> Result<WebhookUrl, ConfigError> {
        let text = self.text()?;
        text.parse().map_err(|problem| self.wrong(format!("\"{text}\" {problem}")))
    }

    /// A list, read element by element; `what` says what an element must be.
    pub(super) fn list<T: FromStr>(&self, what: &str) -> Result<Vec<T>, ConfigError> {
        let Value::Array(values) = &self.value else {
            return Err(self.wrong(format!("must be a list in brackets: [{what}]")));
        };
        let element = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.parse().map_err(|_| self.wrong(format!("{value} is not {what}")))
        };

        values.iter().map(element).collect()
    }

    /// A list, or a text that is its only element.
    pub(super) fn list_or_one<T: FromStr>(&self, what: &str) -> Result<Vec<T>, ConfigError> {
        let Value::String(text) = &self.value else { return self.list(what) };
        let one = text.parse().map_err(|_| self.wrong(format!("\"{text}\" is not {what}")))?;

        Ok(vec![one])
    }

    /// One of these texts.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(*choice);
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();

        Err(self.wrong(format!("\"{text}\" is not one of {}", names.join(", "))))
    }

    /// An error about this setting.
    pub(super) fn wrong(&self, problem: impl Display) -> ConfigError {
        let (origin, key) = (self.origin.clone(), self.key.clone());
        ConfigError::Value { origin, key, problem: problem.to_string() }
    }
}
