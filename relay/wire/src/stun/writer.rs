//! A message to send, written into the caller's buffer.

use super::attribute::{self, ADDRESS_MAX};
use super::integrity::{self, IntegrityKey, IntegrityKeySha256};
use super::{Class, MAGIC_COOKIE, Message, Method, TransactionId, message_type};
use crate::bytes::Sink;
use std::net::SocketAddr;

/// Writes one STUN message: attributes in the order of the calls, then `integrity`,
/// `integrity_sha256`, `fingerprint`.
#[derive(Debug)]
pub struct Writer<'a> {
    sink: Sink<'a>,
    id: TransactionId,
}

impl<'a> Writer<'a> {
    /// Starts a message at the front of `buffer`.
    ///
    /// # Panics
    /// If the method is not below 0x100.
    pub fn begin(
        buffer: &'a mut [u8],
        class: Class,
        method: Method,
        transaction_id: &TransactionId,
    ) -> Self {
        assert!(method.0 < 0x100, "methods from 0x100 on are reserved");
        let mut sink = Sink::new(buffer);
        sink.put(&message_type(class, method).to_be_bytes());
        sink.put(&[0, 0]);
        sink.put(&MAGIC_COOKIE);
        sink.put(transaction_id);

        Self { sink, id: *transaction_id }
    }

    /// Starts the answer to a request: of its method and transaction.
    pub fn answer(buffer: &'a mut [u8], class: Class, request: &Message<'_>) -> Self {
        Self::begin(buffer, class, request.method(), request.transaction_id())
    }

    /// Appends an attribute of any type.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let Ok(len) = u16::try_from(value.len()) else {
            return self.spoil();
        };
        self.sink.put(&kind.to_be_bytes());
        self.sink.put(&len.to_be_bytes());
        self.sink.put(value);
        self.sink.pad();
        match u16::try_from(self.sink.len().saturating_sub(super::HEADER_LEN)) {
            Ok(len) => self.sink.patch(2, &len.to_be_bytes()),
            Err(_) => self.sink.spoil(),
        }

        self
    }

    /// Appends MAPPED-ADDRESS.
    pub fn mapped_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(attribute::MAPPED_ADDRESS, address)
    }

    /// Appends SOFTWARE.
    pub fn software(&mut self, software: &str) -> &mut Self {
        self.attribute(attribute::SOFTWARE, software.as_bytes())
    }

    /// Appends ALTERNATE-SERVER.
    pub fn alternate_server(&mut self, address: SocketAddr) -> &mut Self {
        self.address(attribute::ALTERNATE_SERVER, address)
    }

    /// Appends ALTERNATE-DOMAIN.
    pub fn alternate_domain(&mut self, domain: &str) -> &mut Self {
        self.attribute(attribute::ALTERNATE_DOMAIN, domain.as_bytes())
    }

    /// Appends XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, address: SocketAddr) -> &mut Self {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS, address)
    }

    /// Appends an address as it is, under any type.
    pub fn address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let mut value = [0; ADDRESS_MAX];
        let len = attribute::write_address(address, &mut value);

        self.attribute(kind, &value[..len])
    }

    /// Appends a masked address under any type.
    pub fn xor_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let masked = attribute::xor(address, &self.id);

        self.address(kind, masked)
    }

    /// Appends ERROR-CODE; `code` is 300..=699, `reason` at most 124 bytes.
    pub fn error_code(&mut self, code: u16, reason: &str) -> &mut Self {
        self.error(attribute::ERROR_CODE, 0, code, reason)
    }

    /// Appends ERROR-CODE or its like; `family` is ADDRESS-ERROR-CODE's.
    pub(super) fn error(&mut self, kind: u16, family: u8, code: u16, reason: &str) -> &mut Self {
        let mut value = [0; 4 + 124];
        let end = 4 + reason.len();
        let Some(room) = value.get_mut(4..end).filter(|_| (300..700).contains(&code)) else {
            return self.spoil();
        };
        room.copy_from_slice(reason.as_bytes());
        value[0] = family;
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;

        self.attribute(kind, &value[..end])
    }

    /// Appends UNKNOWN-ATTRIBUTES with the first `super::ATTRIBUTES_MAX` of these types.
    pub fn unknown_attributes(&mut self, kinds: impl Iterator<Item = u16>) -> &mut Self {
        let mut value = [0; 2 * super::ATTRIBUTES_MAX];
        let mut len = 0;
        for (room, kind) in value.chunks_exact_mut(2).zip(kinds) {
            room.copy_from_slice(&kind.to_be_bytes());
            len += 2;
        }

        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value[..len])
    }

    /// Appends MESSAGE-INTEGRITY over what stands so far.
    pub fn integrity(&mut self, key: &IntegrityKey) -> &mut Self {
        let tag = key.sign(self.sink.written());

        self.attribute(attribute::MESSAGE_INTEGRITY, &tag)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256, not truncated, over what stands so far.
    pub fn integrity_sha256(&mut self, key: &IntegrityKeySha256) -> &mut Self {
        let tag = key.sign(self.sink.written());

        self.attribute(attribute::MESSAGE_INTEGRITY_SHA256, &tag)
    }

    /// Appends FINGERPRINT over what stands so far.
    pub fn fingerprint(&mut self) -> &mut Self {
        let value = integrity::fingerprint(self.sink.written());

        self.attribute(attribute::FINGERPRINT, &value.to_be_bytes())
    }

    /// Declares the message not valid.
    pub(super) fn spoil(&mut self) -> &mut Self {
        self.sink.spoil();

        self
    }

    /// The message's length in bytes; `None` if the buffer was too short or a value not valid.
    pub fn finish(&self) -> Option<usize> {
        self.sink.finish()
    }
}
