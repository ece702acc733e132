//! A JSON object that is read member by member: what is wrong is said with the member's name.

use serde_json::{Map, Value};

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// JSON pointer (RFC 6901) of the member.
    pub(crate) field: String,
    /// What is expected of it.
    pub(crate) problem: String,
}

/// An object of a frame, and where it stands in it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, path: &'a str) -> Self {
        Self { object, path }
    }

    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>) -> Wrong {
        Wrong { field: format!("{}/{name}", self.path), problem: problem.into() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    /// A text of 1 to `max` bytes.
    pub(super) fn text(&self, name: &str, max: usize) -> Result<String, Wrong> {
        let text = self.get(name).and_then(Value::as_str);
        let text = text.ok_or_else(|| self.wrong(name, "a text is expected"))?;
        self.fits(name, text, max)?;

        Ok(text.to_owned())
    }

    fn fits(&self, name: &str, text: &str, max: usize) -> Result<(), Wrong> {
        if (1..=max).contains(&text.len()) {
            return Ok(());
        }
        Err(self.wrong(name, format!("it has 1 to {max} bytes")))
    }

    /// A text that may be absent; then it is empty.
    pub(super) fn text_or_empty(&self, name: &str, max: usize) -> Result<String, Wrong> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(_) => self.text(name, max),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Wrong> {
        let number = self.get(name).and_then(Value::as_u64);
        number.ok_or_else(|| self.wrong(name, "a whole number is expected, 0 or more"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Wrong> {
        self.optional_flag(name)?.ok_or_else(|| self.wrong(name, "true or false is expected"))
    }

    pub(super) fn optional_flag(&self, name: &str) -> Result<Option<bool>, Wrong> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(name, "true or false is expected")),
        }
    }

    /// A list of at most `max` texts; absent: empty.
    pub(super) fn texts(&self, name: &str, max: usize, bytes: usize) -> Result<Vec<String>, Wrong> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| self.wrong(name, "a list is expected"))?;
        if list.len() > max {
            return Err(self.wrong(name, format!("at most {max} fit in")));
        }
        let text = |(at, value): (usize, &Value)| {
            let place = format!("{name}/{at}");
            let text = value.as_str().ok_or_else(|| self.wrong(&place, "a text is expected"))?;
            self.fits(&place, text, bytes)?;
            Ok(text.to_owned())
        };

        list.iter().enumerate().map(text).collect()
    }

    /// The members of an object inside; `path` is where it stands.
    pub(super) fn inside(&self, name: &str, path: &'a str) -> Result<Reader<'a>, Wrong> {
        let object = self.get(name).and_then(Value::as_object);
        let object = object.ok_or_else(|| self.wrong(name, "an object is expected"))?;

        Ok(Reader { object, path })
    }
}
