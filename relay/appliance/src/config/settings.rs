//! Settings: key, value and origin, from a TOML file or from `--set`.

use super::error::{ConfigError, Origin};
use super::keys::{self, Kind};
use std::fs;
use std::path::Path;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// One key with its value.
#[derive(Clone)]
pub(crate) struct Setting {
    /// Dotted, as `media.listen`.
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// All settings of a file, in its order.
pub(crate) fn from_file(path: &Path) -> Result<Vec<Setting>, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|e| ConfigError::File { file: path.to_owned(), problem: e.to_string() })?;
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let origin = |at: usize| Origin::File(path.to_owned(), line_of(at));
    let table = DeTable::parse(&text).map_err(|e| ConfigError::Syntax {
        origin: origin(e.span().map_or(0, |span| span.start)),
        problem: e.message().to_owned(),
    })?;
    let mut settings = Vec::new();
    flatten("", table.get_ref(), &origin, &mut settings)?;

    Ok(settings)
}

/// The setting of one `--set KEY=VALUE`. A text key takes the value as it is, a list also one
/// element, or none; everything else is TOML.
pub(crate) fn from_command_line(set: &str) -> Result<Setting, ConfigError> {
    let origin = Origin::CommandLine;
    let Some((key, text)) = set.split_once('=') else {
        let problem = format!("\"{set}\" is not KEY=VALUE, as in --set media.shards=2");
        return Err(ConfigError::Syntax { origin, problem });
    };
    let key = key.trim().to_owned();
    let parsed = || DeValue::parse(text).ok().and_then(|value| plain(value.get_ref()));
    let value = match keys::kind(&key, &origin)? {
        Kind::Text => Value::String(text.to_owned()),
        Kind::List if text.is_empty() => Value::Array(Vec::new()),
        Kind::List => parsed()
            .filter(Value::is_array)
            .unwrap_or_else(|| Value::Array(vec![Value::String(text.to_owned())])),
        Kind::Toml => match parsed() {
            Some(value) => value,
            None => {
                let problem = format!("\"{text}\" is not a number, true or false");
                return Err(ConfigError::Value { origin, key, problem });
            }
        },
    };

    Ok(Setting { key, value, origin })
}

fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    origin: &dyn Fn(usize) -> Origin,
    settings: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let origin_of_key = origin(name.span().start);
        if let DeValue::Table(table) = value.get_ref() {
            keys::section(&key, &origin_of_key)?;
            flatten(&format!("{key}."), table, origin, settings)?;
            continue;
        }
        keys::kind(&key, &origin_of_key)?;
        let Some(value) = plain(value.get_ref()) else {
            let problem = "this value cannot be used here".to_owned();
            return Err(ConfigError::Value { origin: origin_of_key, key, problem });
        };
        settings.push(Setting { key, value, origin: origin_of_key });
    }

    Ok(())
}

/// The value without its place; `None` for what no key takes: tables, dates, huge integers.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().ok().map(Value::Float),
        DeValue::Boolean(flag) => Some(Value::Boolean(*flag)),
        DeValue::Array(values) => values
            .iter()
            .map(|value| plain(value.get_ref()))
            .collect::<Option<_>>()
            .map(Value::Array),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
