//! The attributes of NAT behaviour discovery (RFC 5780, section 7).

use super::attribute::{self, Malformed, exactly};
use super::{Message, Writer};
use std::net::SocketAddr;

/// The value of CHANGE-REQUEST: from where a client wants its answer (RFC 5780, section 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    /// From the server's other IP address.
    pub ip: bool,
    /// From the server's other port.
    pub port: bool,
}

const CHANGE_IP: u32 = 4;
const CHANGE_PORT: u32 = 2;

impl<'a> Message<'a> {
    /// CHANGE-REQUEST.
    pub fn change_request(&self) -> Result<Option<ChangeRequest>, Malformed> {
        let value = exactly(self.attribute(attribute::CHANGE_REQUEST))?;
        let flags = value.map(|bytes| u32::from_be_bytes(*bytes));

        Ok(flags.map(|flags| ChangeRequest {
            ip: flags & CHANGE_IP != 0,
            port: flags & CHANGE_PORT != 0,
        }))
    }

    /// RESPONSE-PORT: two bytes, and two more that say nothing if a sender counted the padding.
    pub fn response_port(&self) -> Result<Option<u16>, Malformed> {
        match self.attribute(attribute::RESPONSE_PORT) {
            None => Ok(None),
            Some([high, low] | [high, low, _, _]) => Ok(Some(u16::from_be_bytes([*high, *low]))),
            Some(_) => Err(Malformed),
        }
    }

    /// PADDING.
    pub fn padding(&self) -> Option<&'a [u8]> {
        self.attribute(attribute::PADDING)
    }

    /// RESPONSE-ORIGIN: the address that the answer came from.
    pub fn response_origin(&self) -> Option<SocketAddr> {
        self.address(attribute::RESPONSE_ORIGIN)
    }

    /// OTHER-ADDRESS: the server's other address and port.
    pub fn other_address(&self) -> Option<SocketAddr> {
        self.address(attribute::OTHER_ADDRESS)
    }
}

impl Writer<'_> {
    /// Appends CHANGE-REQUEST.
    pub fn change_request(&mut self, change: ChangeRequest) -> &mut Self {
        let ip = if change.ip { CHANGE_IP } else { 0 };
        let port = if change.port { CHANGE_PORT } else { 0 };

        self.attribute(attribute::CHANGE_REQUEST, &(ip | port).to_be_bytes())
    }

    /// Appends RESPONSE-PORT.
    pub fn response_port(&mut self, port: u16) -> &mut Self {
        self.attribute(attribute::RESPONSE_PORT, &port.to_be_bytes())
    }

    /// Appends RESPONSE-ORIGIN.
    pub fn response_origin(&mut self, address: SocketAddr) -> &mut Self {
        self.address(attribute::RESPONSE_ORIGIN, address)
    }

    /// Appends OTHER-ADDRESS.
    pub fn other_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(attribute::OTHER_ADDRESS, address)
    }
}
