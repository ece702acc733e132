//! The connections of a shard, in places that are used again.

use super::connection::Connection;

/// A place in the table and how often it was used before: what is left of a closed connection in
/// some queue does not find the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// As a number that the kernel keeps.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
}

#[derive(Default)]
pub(super) struct Table {
    places: Vec<Place>,
    free: Vec<u32>,
}

impl Table {
    /// Connections now.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, connection: Box<Connection>) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, connection: None });
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[index as usize];
        place.connection = Some(connection);

        Token { index, generation: place.generation }
    }

    pub(super) fn get(&mut self, token: Token) -> Option<&mut Connection> {
        let place = self.places.get_mut(token.index as usize)?;

        place.connection.as_deref_mut().filter(|_| place.generation == token.generation)
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<Box<Connection>> {
        self.get(token)?;
        let place = &mut self.places[token.index as usize];
        // Descriptors of listeners have the last generation.
        place.generation = (place.generation + 1) % (u32::MAX - 1);
        self.free.push(token.index);

        place.connection.take()
    }
}
