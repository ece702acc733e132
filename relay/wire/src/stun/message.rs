//! A received message, read in place.

use super::integrity::{self, IntegrityKey, IntegrityKeySha256};
use super::{
    ATTRIBUTES_MAX, Class, HEADER_LEN, MAGIC_COOKIE, MESSAGE_TYPE_END, Method, TransactionId,
};
use super::{attribute, class_and_method};
use crate::bytes::{u16_at, u32_at};
use std::net::SocketAddr;
use std::ops::Range;

/// A STUN message in its datagram (RFC 8489, section 5).
///
/// Attributes behind MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 are not protected by it and do
/// not exist for the reader, but for the SHA256 form behind the other, and FINGERPRINT. Of several
/// attributes of one type the first counts.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    id: &'a TransactionId,
    attributes_end: usize,
    integrity: Option<usize>,
    integrity_sha256: Option<usize>,
    fingerprint: Option<usize>,
}

/// The value of ERROR-CODE (RFC 8489, section 14.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300..=699.
    pub code: u16,
    /// Text for people.
    pub reason: &'a str,
}

impl<'a> ErrorCode<'a> {
    /// Reads the value of ERROR-CODE, and of ADDRESS-ERROR-CODE but for the family.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let [_, _, class, number, reason @ ..] = value else { return None };
        let class = class & 7;
        let valid = (3..=6).contains(&class) && *number < 100;
        let code = u16::from(class) * 100 + u16::from(*number);
        let reason = str::from_utf8(reason).ok()?;

        valid.then_some(Self { code, reason })
    }
}

impl<'a> Message<'a> {
    /// Reads a message that fills its datagram; `None` if anything is out of place.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let message_type = u16_at(bytes, 0)?;
        let len = usize::from(u16_at(bytes, 2)?);
        let id = bytes.get(8..)?.first_chunk()?;
        let sound = message_type < MESSAGE_TYPE_END
            && bytes[4..8] == MAGIC_COOKIE
            && len.is_multiple_of(4)
            && bytes.len() == HEADER_LEN + len;
        if !sound {
            return None;
        }

        let (class, method) = class_and_method(message_type);
        let message = Self {
            bytes,
            class,
            method,
            id,
            attributes_end: bytes.len(),
            integrity: None,
            integrity_sha256: None,
            fingerprint: None,
        };
        message.locate()
    }

    /// The whole message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The message's class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The message's method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The transaction's id.
    pub fn transaction_id(&self) -> &'a TransactionId {
        self.id
    }

    /// The attributes in order, without those of integrity, what follows the first of these, and
    /// FINGERPRINT.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: &self.bytes[..self.attributes_end], at: HEADER_LEN }
    }

    /// Where the value of the first attribute of a type stands in the message.
    pub fn value_range(&self, kind: u16) -> Option<Range<usize>> {
        let mut attributes = self.attributes();
        loop {
            let start = attributes.at + 4;
            let (found, value) = attributes.next()?;
            if found == kind {
                return Some(start..start + value.len());
            }
        }
    }

    /// The value of the first attribute of a type.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// ERROR-CODE.
    pub fn error_code(&self) -> Option<ErrorCode<'a>> {
        ErrorCode::parse(self.attribute(attribute::ERROR_CODE)?)
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        attribute::xor_address(self.attribute(attribute::XOR_MAPPED_ADDRESS)?, self.id)
    }

    /// MAPPED-ADDRESS.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.address(attribute::MAPPED_ADDRESS)
    }

    /// ALTERNATE-SERVER (RFC 8489, section 14.15).
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        self.address(attribute::ALTERNATE_SERVER)
    }

    /// ALTERNATE-DOMAIN, if it is text (RFC 8489, section 14.16).
    pub fn alternate_domain(&self) -> Option<&'a str> {
        self.text(attribute::ALTERNATE_DOMAIN)
    }

    /// SOFTWARE, if it is text.
    pub fn software(&self) -> Option<&'a str> {
        self.text(attribute::SOFTWARE)
    }

    /// The types that UNKNOWN-ATTRIBUTES lists.
    pub fn unknown_attributes(&self) -> Option<TypeList<'a>> {
        self.attribute(attribute::UNKNOWN_ATTRIBUTES).map(TypeList)
    }

    /// Types in this message that must be understood, and are not in `known` (RFC 8489, section
    /// 6.3.1).
    pub fn unknown_required<'k>(
        &self,
        known: &'k [u16],
    ) -> impl Iterator<Item = u16> + use<'a, 'k> {
        self.attributes()
            .map(|(kind, _)| kind)
            .filter(move |kind| attribute::is_required(*kind) && !known.contains(kind))
    }

    /// Whether MESSAGE-INTEGRITY is there.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY is there and of this key (RFC 8489, section 14.5).
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let Some(at) = self.integrity else { return false };
        let Some(value) = value_at(self.bytes, at) else { return false };

        key.verify(&self.bytes[..at], value)
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there.
    pub fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256.is_some()
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there and of this key, truncated or not (RFC 8489,
    /// section 14.6).
    pub fn verify_integrity_sha256(&self, key: &IntegrityKeySha256) -> bool {
        let Some(at) = self.integrity_sha256 else { return false };
        let Some(value) = value_at(self.bytes, at) else { return false };

        key.verify(&self.bytes[..at], value)
    }

    /// Whether FINGERPRINT is there.
    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint.is_some()
    }

    /// Whether FINGERPRINT is there and right (RFC 8489, section 14.7).
    pub fn verify_fingerprint(&self) -> bool {
        let Some(at) = self.fingerprint else { return false };

        u32_at(self.bytes, at + 4) == Some(integrity::fingerprint(&self.bytes[..at]))
    }

    /// Walks all attributes once: each must end inside the message, FINGERPRINT must be the last.
    fn locate(mut self) -> Option<Self> {
        let mut all = Attributes { bytes: self.bytes, at: HEADER_LEN };
        for _ in 0..ATTRIBUTES_MAX {
            let at = all.at;
            let Some((kind, value)) = all.next() else { break };
            match kind {
                attribute::MESSAGE_INTEGRITY if !self.is_protected() => {
                    if value.len() != integrity::INTEGRITY_LEN {
                        return None;
                    }
                    self.integrity = Some(at);
                    self.attributes_end = at;
                }
                attribute::MESSAGE_INTEGRITY_SHA256 if self.integrity_sha256.is_none() => {
                    if !integrity::is_sha256_len(value.len()) {
                        return None;
                    }
                    self.integrity_sha256 = Some(at);
                    self.attributes_end = self.attributes_end.min(at);
                }
                attribute::FINGERPRINT => {
                    if value.len() != 4 || all.at != self.bytes.len() {
                        return None;
                    }
                    self.fingerprint = Some(at);
                    self.attributes_end = self.attributes_end.min(at);
                }
                _ => {}
            }
        }

        (all.at == self.bytes.len()).then_some(self)
    }

    fn is_protected(&self) -> bool {
        self.integrity.is_some() || self.integrity_sha256.is_some()
    }

    /// An attribute that is an address, not masked.
    pub(super) fn address(&self, kind: u16) -> Option<SocketAddr> {
        attribute::address(self.attribute(kind)?)
    }

    /// An attribute that is text.
    pub(super) fn text(&self, kind: u16) -> Option<&'a str> {
        str::from_utf8(self.attribute(kind)?).ok()
    }
}

/// Attributes in order: type and value.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = u16_at(self.bytes, self.at)?;
        let value = value_at(self.bytes, self.at)?;
        let end = (self.at + 4 + value.len()).next_multiple_of(4);
        if end > self.bytes.len() {
            return None;
        }
        self.at = end;

        Some((kind, value))
    }
}

fn value_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let len = usize::from(u16_at(bytes, at + 2)?);

    bytes.get(at + 4..at + 4 + len)
}

/// A list of attribute types (RFC 8489, section 14.13).
#[derive(Clone, Debug)]
pub struct TypeList<'a>(&'a [u8]);

impl Iterator for TypeList<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let kind = u16_at(self.0, 0)?;
        self.0 = &self.0[2..];

        Some(kind)
    }
}
