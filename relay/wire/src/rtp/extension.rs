//! Header extensions: elements of both forms (RFC 8285, section 4), and the values of some.

use crate::bytes::u16_at;
use std::time::Duration;

/// How a header's extensions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    None,
    /// RFC 8285, section 4.2.
    OneByte,
    /// RFC 8285, section 4.3.
    TwoByte,
    /// Something else, skipped whole.
    Other,
}

impl Form {
    /// Tells the form by the 16 bits "defined by profile".
    pub(super) fn of(profile: u16) -> Self {
        match profile {
            0xbede => Self::OneByte,
            0x1000..=0x100f => Self::TwoByte,
            _ => Self::Other,
        }
    }
}

/// Extensions in order: id and value. A malformed element ends them.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: Form,
    header: &'a [u8],
    at: usize,
}

impl<'a> Extensions<'a> {
    pub(super) fn new(form: Form, header: &'a [u8], at: usize) -> Self {
        Self { form, header, at }
    }

    /// The end of the element yielded last, counted from the packet's front.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next element's id, and the range of its value.
    fn element(&self) -> Option<(u8, usize, usize)> {
        let first = *self.header.get(self.at)?;
        match self.form {
            // Ids 0 and 15 are reserved: what follows must not be read (RFC 8285, section 4.2).
            Form::OneByte if matches!(first >> 4, 0 | 15) => None,
            Form::OneByte => Some((first >> 4, self.at + 1, usize::from(first & 0x0f) + 1)),
            Form::TwoByte => {
                let [id, len] = u16_at(self.header, self.at)?.to_be_bytes();
                Some((id, self.at + 2, len.into()))
            }
            Form::None | Form::Other => None,
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.header.get(self.at) == Some(&0) {
            self.at += 1;
        }
        let (id, start, len) = self.element()?;
        let value = self.header.get(start..start + len)?;
        self.at = start + len;

        Some((id, value))
    }
}

/// The value of abs-send-time: seconds modulo 64 as 6.18 bit fixed point, of the time since any
/// fixed moment.
pub fn abs_send_time(time: Duration) -> u32 {
    let fraction = (u64::from(time.subsec_nanos()) << 18) / 1_000_000_000;

    ((time.as_secs() & 63) as u32) << 18 | fraction as u32
}

/// How loud a packet's sound is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender hears voice.
    pub voice: bool,
    /// Level in -dBov: 0 is the loudest, 127 is silence.
    pub level: u8,
}

impl AudioLevel {
    /// Reads the extension's value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let byte = *value.first()?;

        Some(Self { voice: byte & 0x80 != 0, level: byte & 0x7f })
    }

    /// The extension's value.
    pub fn write(&self) -> u8 {
        u8::from(self.voice) << 7 | self.level & 0x7f
    }
}
