//! The attributes of TURN (RFC 8656, section 18) and its mobility (RFC 8016, section 3).

use super::attribute::{self, Malformed, exactly};
use super::{ErrorCode, Message, TransactionId, Writer};
use std::net::SocketAddr;

/// An address family as TURN names it (RFC 8656, section 18.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 0x01.
    V4,
    /// 0x02.
    V6,
    /// Any other: an error 440 in a request.
    Other(u8),
}

impl Family {
    /// The family of an address.
    pub fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::V4,
            2 => Self::V6,
            other => Self::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
            Self::Other(other) => other,
        }
    }
}

/// The value of ICMP (RFC 8656, section 18.13): an error that a packet to a peer caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type of ICMP, or of ICMPv6.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Its data: the next hop's MTU where the type has one, else 0.
    pub data: u32,
}

/// The RFC's figure gives seven bits to the type and nine to the code.
const ICMP_CODE_BITS: u32 = 9;
const ICMP_KIND_MAX: u8 = 127;

impl<'a> Message<'a> {
    /// CHANNEL-NUMBER, in range or not.
    pub fn channel_number(&self) -> Result<Option<u16>, Malformed> {
        let value = exactly(self.attribute(attribute::CHANNEL_NUMBER))?;

        Ok(value.map(|[high, low, _, _]| u16::from_be_bytes([*high, *low])))
    }

    /// LIFETIME, in seconds.
    pub fn lifetime(&self) -> Result<Option<u32>, Malformed> {
        let value = exactly(self.attribute(attribute::LIFETIME))?;

        Ok(value.map(|bytes| u32::from_be_bytes(*bytes)))
    }

    /// The first XOR-PEER-ADDRESS.
    pub fn xor_peer_address(&self) -> Result<Option<SocketAddr>, Malformed> {
        self.xor_peer_addresses().next().transpose()
    }

    /// Every XOR-PEER-ADDRESS, in order.
    pub fn xor_peer_addresses(&self) -> XorAddresses<'a> {
        self.xor_addresses(attribute::XOR_PEER_ADDRESS)
    }

    /// Every XOR-RELAYED-ADDRESS, in order: two for a dual allocation.
    pub fn xor_relayed_addresses(&self) -> XorAddresses<'a> {
        self.xor_addresses(attribute::XOR_RELAYED_ADDRESS)
    }

    /// DATA, empty or not.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.attribute(attribute::DATA)
    }

    /// REQUESTED-TRANSPORT: the protocol's number, 17 for UDP.
    pub fn requested_transport(&self) -> Result<Option<u8>, Malformed> {
        let value = exactly(self.attribute(attribute::REQUESTED_TRANSPORT))?;

        Ok(value.map(|[protocol, _, _, _]| *protocol))
    }

    /// REQUESTED-ADDRESS-FAMILY.
    pub fn requested_address_family(&self) -> Result<Option<Family>, Malformed> {
        self.family(attribute::REQUESTED_ADDRESS_FAMILY)
    }

    /// ADDITIONAL-ADDRESS-FAMILY.
    pub fn additional_address_family(&self) -> Result<Option<Family>, Malformed> {
        let standard = self.family(attribute::ADDITIONAL_ADDRESS_FAMILY)?;
        if standard.is_some() {
            return Ok(standard);
        }

        self.family(attribute::ADDITIONAL_ADDRESS_FAMILY_DRAFT)
    }

    /// EVEN-PORT: whether the next higher port is to be reserved too (its R bit).
    pub fn even_port(&self) -> Result<Option<bool>, Malformed> {
        let value = exactly(self.attribute(attribute::EVEN_PORT))?;

        Ok(value.map(|[flags]| flags & 0x80 != 0))
    }

    /// Whether DONT-FRAGMENT is there.
    pub fn dont_fragment(&self) -> bool {
        self.attribute(attribute::DONT_FRAGMENT).is_some()
    }

    /// RESERVATION-TOKEN.
    pub fn reservation_token(&self) -> Result<Option<[u8; 8]>, Malformed> {
        Ok(exactly(self.attribute(attribute::RESERVATION_TOKEN))?.copied())
    }

    /// MOBILITY-TICKET (RFC 8016, section 3.3); empty in an Allocate request.
    pub fn mobility_ticket(&self) -> Option<&'a [u8]> {
        self.attribute(attribute::MOBILITY_TICKET)
    }

    /// ADDRESS-ERROR-CODE: why a dual allocation has no address of this family.
    pub fn address_error_code(&self) -> Option<(Family, ErrorCode<'a>)> {
        let value = self.attribute(attribute::ADDRESS_ERROR_CODE)?;
        let family = Family::from_byte(*value.first()?);

        Some((family, ErrorCode::parse(value)?))
    }

    /// ICMP.
    pub fn icmp(&self) -> Result<Option<Icmp>, Malformed> {
        let value: Option<&[u8; 8]> = exactly(self.attribute(attribute::ICMP))?;

        Ok(value.map(|[_, _, t0, t1, data @ ..]| {
            let type_and_code = u16::from_be_bytes([*t0, *t1]);
            Icmp {
                kind: (type_and_code >> ICMP_CODE_BITS) as u8,
                code: (type_and_code & 0xff) as u8,
                data: u32::from_be_bytes(*data),
            }
        }))
    }

    fn family(&self, kind: u16) -> Result<Option<Family>, Malformed> {
        let value = exactly(self.attribute(kind))?;

        Ok(value.map(|[family, _, _, _]| Family::from_byte(*family)))
    }

    fn xor_addresses(&self, kind: u16) -> XorAddresses<'a> {
        XorAddresses { attributes: self.attributes(), kind, id: self.transaction_id() }
    }
}

impl Writer<'_> {
    /// Appends CHANNEL-NUMBER.
    pub fn channel_number(&mut self, number: u16) -> &mut Self {
        let [high, low] = number.to_be_bytes();

        self.attribute(attribute::CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    /// Appends LIFETIME, in seconds.
    pub fn lifetime(&mut self, seconds: u32) -> &mut Self {
        self.attribute(attribute::LIFETIME, &seconds.to_be_bytes())
    }

    /// Appends XOR-PEER-ADDRESS.
    pub fn xor_peer_address(&mut self, peer: SocketAddr) -> &mut Self {
        self.xor_address(attribute::XOR_PEER_ADDRESS, peer)
    }

    /// Appends XOR-RELAYED-ADDRESS.
    pub fn xor_relayed_address(&mut self, relayed: SocketAddr) -> &mut Self {
        self.xor_address(attribute::XOR_RELAYED_ADDRESS, relayed)
    }

    /// Appends DATA.
    pub fn data(&mut self, data: &[u8]) -> &mut Self {
        self.attribute(attribute::DATA, data)
    }

    /// Appends REQUESTED-TRANSPORT: the protocol's number, 17 for UDP.
    pub fn requested_transport(&mut self, protocol: u8) -> &mut Self {
        self.attribute(attribute::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0])
    }

    /// Appends REQUESTED-ADDRESS-FAMILY.
    pub fn requested_address_family(&mut self, family: Family) -> &mut Self {
        self.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[family.byte(), 0, 0, 0])
    }

    /// Appends ADDITIONAL-ADDRESS-FAMILY.
    pub fn additional_address_family(&mut self, family: Family) -> &mut Self {
        self.attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[family.byte(), 0, 0, 0])
    }

    /// Appends EVEN-PORT; `reserve` asks for the next higher port too.
    pub fn even_port(&mut self, reserve: bool) -> &mut Self {
        self.attribute(attribute::EVEN_PORT, &[u8::from(reserve) << 7])
    }

    /// Appends DONT-FRAGMENT.
    pub fn dont_fragment(&mut self) -> &mut Self {
        self.attribute(attribute::DONT_FRAGMENT, &[])
    }

    /// Appends RESERVATION-TOKEN.
    pub fn reservation_token(&mut self, token: &[u8; 8]) -> &mut Self {
        self.attribute(attribute::RESERVATION_TOKEN, token)
    }

    /// Appends MOBILITY-TICKET.
    pub fn mobility_ticket(&mut self, ticket: &[u8]) -> &mut Self {
        self.attribute(attribute::MOBILITY_TICKET, ticket)
    }

    /// Appends ADDRESS-ERROR-CODE; `code` is 300..=699, `reason` at most 124 bytes.
    pub fn address_error_code(&mut self, family: Family, code: u16, reason: &str) -> &mut Self {
        self.error(attribute::ADDRESS_ERROR_CODE, family.byte(), code, reason)
    }

    /// Appends ICMP; its type is an error's, below 128.
    pub fn icmp(&mut self, icmp: Icmp) -> &mut Self {
        if icmp.kind > ICMP_KIND_MAX {
            return self.spoil();
        }
        let type_and_code = u16::from(icmp.kind) << ICMP_CODE_BITS | u16::from(icmp.code);
        let [t0, t1] = type_and_code.to_be_bytes();
        let [a, b, c, d] = icmp.data.to_be_bytes();

        self.attribute(attribute::ICMP, &[0, 0, t0, t1, a, b, c, d])
    }
}

/// Masked addresses of one attribute type, in order.
#[derive(Clone, Debug)]
pub struct XorAddresses<'a> {
    attributes: super::Attributes<'a>,
    kind: u16,
    id: &'a TransactionId,
}

impl Iterator for XorAddresses<'_> {
    type Item = Result<SocketAddr, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (_, value) = self.attributes.find(|(kind, _)| *kind == self.kind)?;

        Some(attribute::xor_address(value, self.id).ok_or(Malformed))
    }
}
