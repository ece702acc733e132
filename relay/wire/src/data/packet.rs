//! LiveKit's `DataPacket`, scanned in place: enough of protobuf to know for whom a message is.

/// `DataPacket.user`, a `UserPacket`.
const USER: u32 = 2;

/// `DataPacket.destination_identities`.
const DESTINATIONS: u32 = 5;

/// `UserPacket.destination_identities`, which older SDKs fill instead.
const USER_DESTINATIONS: u32 = 6;

/// The largest field number of protobuf.
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// A well-formed `DataPacket` (livekit_models.proto), so far as the relay must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPacket<'a> {
    /// The field number of the message's value that counts, the last one: 2 is `user`; `None` if
    /// there is none. Fields 1, 4, 5, 16 and 17 are not values.
    pub value: Option<u32>,
    top_level: Destinations<'a>,
    user: Destinations<'a>,
}

impl<'a> DataPacket<'a> {
    /// Scans a message; `None` if it is not well-formed protobuf, or names a destination that is
    /// not text.
    pub fn scan(message: &'a [u8]) -> Option<Self> {
        let top_level = Destinations::of(message, DESTINATIONS)?;
        let mut packet = Self { value: None, top_level, user: Destinations::NONE };
        let mut fields = Fields(message);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.bytes) {
                (1 | 4 | DESTINATIONS | 16 | 17, _) => {}
                (USER, Some(user)) => {
                    packet.value = Some(USER);
                    packet.user = Destinations::of(user, USER_DESTINATIONS)?;
                }
                (USER, None) => return None,
                (number, _) => packet.value = Some(number),
            }
        }

        Some(packet)
    }

    /// The identities it is for; none means everybody. Those of `user` count when there are no
    /// others.
    pub fn destinations(&self) -> Destinations<'a> {
        let mut top_level = self.top_level;
        let named = top_level.next().is_some();

        if named { self.top_level } else { self.user }
    }
}

/// Identities of participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destinations<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Destinations<'a> {
    const NONE: Self = Self { fields: Fields(&[]), number: 0 };

    /// Checks that each field of this number is text, and all others well-formed.
    fn of(message: &'a [u8], number: u32) -> Option<Self> {
        let mut fields = Fields(message);
        while let Some(field) = fields.next_field()? {
            if field.number == number {
                str::from_utf8(field.bytes?).ok()?;
            }
        }

        Some(Self { fields: Fields(message), number })
    }
}

impl<'a> Iterator for Destinations<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let field = self.fields.next_field()??;
            if field.number == self.number {
                return str::from_utf8(field.bytes?).ok();
            }
        }
    }
}

/// A field of a protobuf message; `bytes` if it is length-delimited.
struct Field<'a> {
    number: u32,
    bytes: Option<&'a [u8]>,
}

/// What is left of a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Takes the next field off the front: `None` if malformed, `Some(None)` at the end.
    fn next_field(&mut self) -> Option<Option<Field<'a>>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok()?;
        if number == 0 || u64::from(number) > NUMBER_MAX {
            return None;
        }
        let bytes = match key & 7 {
            0 => {
                self.varint()?;
                None
            }
            1 => {
                self.take(8)?;
                None
            }
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Some(self.take(len)?)
            }
            5 => {
                self.take(4)?;
                None
            }
            // Groups (3, 4) are of old; 6 and 7 never were.
            _ => return None,
        };

        Some(Some(Field { number, bytes }))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                // The tenth byte has room for one bit.
                return (index < 9 || *byte < 2).then_some(value);
            }
        }

        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;

        Some(taken)
    }
}
