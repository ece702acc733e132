//! What a frame carries: Ethernet with up to two VLAN tags (IEEE 802.1Q), IPv4 (RFC 791) or IPv6
//! (RFC 8200), UDP (RFC 768).
//!
//! Values are filled in place and taken in whole words: the kernel's verifier refuses a program
//! that merges values with undefined ones, and bytes taken one by one do not fit its stack.

use crate::address::ipv4_mapped;
use crate::bytes::part;
use crate::{FlowKey, Frame, Outcome, checksum};

/// Bytes of an Ethernet header without tags.
pub(crate) const ETHERNET_LEN: usize = 14;

/// Bytes of a VLAN tag.
pub(crate) const TAG_LEN: usize = 4;

pub(crate) const IPV4_LEN: usize = 20;
pub(crate) const IPV6_LEN: usize = 40;
pub(crate) const UDP_LEN: usize = 8;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

pub(crate) const PROTOCOL_UDP: u8 = 17;

/// A VLAN's identifier within a tag; the other bits are priority.
const VLAN_MASK: u16 = 0x0fff;

/// A UDP datagram's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// VLANs of the outer and the inner tag, 0 without.
    pub vlans: [u16; 2],
    /// Whether it is IPv4.
    pub ipv4: bool,
    /// UDP checksum; 0: none.
    pub checksum: u16,
    /// Bytes from the start of the frame to the UDP payload.
    pub front_len: u16,
    /// Bytes behind the UDP header.
    pub payload_len: u16,
    /// The first four of them, zero if there are fewer.
    pub start: u32,
}

impl Datagram {
    /// Reads a frame's headers, and the addresses into `key`; the error is why it is not a whole,
    /// plain UDP datagram.
    #[inline(always)]
    pub fn read(&mut self, frame: &impl Frame, key: &mut FlowKey) -> Result<(), Outcome> {
        let ethertype = u16::from_be_bytes(*frame.get(12).ok_or(Outcome::NotIp)?);
        if !is_tag(ethertype) {
            return self.read_ip(frame, key, ethertype, ETHERNET_LEN);
        }
        let (outer, ethertype) = tag(frame, ETHERNET_LEN)?;
        self.vlans[0] = outer;
        if !is_tag(ethertype) {
            return self.read_ip(frame, key, ethertype, ETHERNET_LEN + TAG_LEN);
        }
        let (inner, ethertype) = tag(frame, ETHERNET_LEN + TAG_LEN)?;
        self.vlans[1] = inner;

        self.read_ip(frame, key, ethertype, ETHERNET_LEN + 2 * TAG_LEN)
    }

    #[inline(always)]
    fn read_ip(
        &mut self,
        frame: &impl Frame,
        key: &mut FlowKey,
        ethertype: u16,
        at: usize,
    ) -> Result<(), Outcome> {
        match ethertype {
            ETHERTYPE_IPV4 => self.read_ipv4(frame, key, at),
            ETHERTYPE_IPV6 => self.read_ipv6(frame, key, at),
            _ => Err(Outcome::NotIp),
        }
    }

    #[inline(always)]
    fn read_ipv4(
        &mut self,
        frame: &impl Frame,
        key: &mut FlowKey,
        at: usize,
    ) -> Result<(), Outcome> {
        let header: &[u8; IPV4_LEN] = frame.get(at).ok_or(Outcome::Malformed)?;
        if header[0] != 0x45 {
            return Err(if header[0] >> 4 == 4 { Outcome::Options } else { Outcome::Malformed });
        }
        // "More fragments", or an offset.
        if u16::from_be_bytes(part(header, 6)) & 0x3fff != 0 {
            return Err(Outcome::Fragment);
        }
        if header[9] != PROTOCOL_UDP {
            return Err(Outcome::NotUdp);
        }
        let len = usize::from(u16::from_be_bytes(part(header, 2)));
        if at + len != frame.len() || checksum::header(header) != 0 {
            return Err(Outcome::Malformed);
        }
        self.ipv4 = true;
        key.remote = ipv4_mapped(part(header, 12));
        key.local = ipv4_mapped(part(header, 16));

        self.read_udp(frame, key, at + IPV4_LEN, len.wrapping_sub(IPV4_LEN))
    }

    #[inline(always)]
    fn read_ipv6(
        &mut self,
        frame: &impl Frame,
        key: &mut FlowKey,
        at: usize,
    ) -> Result<(), Outcome> {
        let header: &[u8; IPV6_LEN] = frame.get(at).ok_or(Outcome::Malformed)?;
        if header[0] >> 4 != 6 {
            return Err(Outcome::Malformed);
        }
        if header[6] != PROTOCOL_UDP {
            return Err(Outcome::NotUdp);
        }
        let len = usize::from(u16::from_be_bytes(part(header, 4)));
        if at + IPV6_LEN + len != frame.len() {
            return Err(Outcome::Malformed);
        }
        key.remote = part(header, 8);
        key.local = part(header, 24);

        self.read_udp(frame, key, at + IPV6_LEN, len)
    }

    /// Reads the UDP header at `at`, which must fill the `len` bytes that the IP header tells.
    #[inline(always)]
    fn read_udp(
        &mut self,
        frame: &impl Frame,
        key: &mut FlowKey,
        at: usize,
        len: usize,
    ) -> Result<(), Outcome> {
        let header: &[u8; UDP_LEN] = frame.get(at).ok_or(Outcome::Malformed)?;
        let own = u16::from_be_bytes(part(header, 4));
        if usize::from(own) != len || len < UDP_LEN {
            return Err(Outcome::Malformed);
        }
        key.remote_port = part(header, 0);
        key.local_port = part(header, 2);
        self.checksum = u16::from_be_bytes(part(header, 6));
        self.front_len = (at + UDP_LEN) as u16;
        self.payload_len = own - UDP_LEN as u16;
        if let Some(start) = frame.get(at + UDP_LEN) {
            self.start = u32::from_be_bytes(*start);
        }

        Ok(())
    }
}

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_SERVICE_VLAN
}

/// The VLAN of a tag whose protocol has been read, and what follows it.
#[inline(always)]
fn tag(frame: &impl Frame, at: usize) -> Result<(u16, u16), Outcome> {
    let tag: &[u8; TAG_LEN] = frame.get(at).ok_or(Outcome::NotIp)?;
    let vlan = u16::from_be_bytes(part(tag, 0)) & VLAN_MASK;

    Ok((vlan, u16::from_be_bytes(part(tag, 2))))
}
