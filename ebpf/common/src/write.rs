//! The headers that a relayed datagram leaves with: those of a new packet, as a socket of ours
//! would send it (RFC 8656, section 14).

use crate::address::ipv4_bytes;
use crate::bytes::part;
use crate::header::{
    ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_LEN, IPV6_LEN, PROTOCOL_UDP, TAG_LEN,
    UDP_LEN,
};
use crate::relay::CHANNEL_LEN;
use crate::{Frame, Hop, Link, Way, checksum};

/// Time to live, or hop limit: Linux's default for sockets.
const TTL: u8 = 64;

/// The first two bytes of an IPv4 header without options, and of a datagram without a class.
const IPV4: u16 = 0x4500;

/// "Don't fragment": Linux sets it on datagrams that fit the path, and leaves their number 0.
const DONT_FRAGMENT: u16 = 0x4000;

/// TTL and protocol of an IPv4 header.
const TTL_UDP: u16 = (TTL as u16) << 8 | PROTOCOL_UDP as u16;

/// All that stands in front of the application's data.
pub(crate) struct Front<'a> {
    pub(crate) hop: Hop,
    pub(crate) link: &'a Link,
    pub(crate) way: Way<'a>,
    pub(crate) checksum: u16,
    pub(crate) data_len: u16,
}

impl Front<'_> {
    /// Bytes of an IP packet with so much application data.
    #[inline(always)]
    pub(crate) fn ip_len(ipv4: bool, channel: bool, data_len: u16) -> u16 {
        let ip = if ipv4 { IPV4_LEN } else { IPV6_LEN } as u16;
        let channel = if channel { CHANNEL_LEN } else { 0 };

        // What does not fit 16 bits fits no link either.
        data_len.saturating_add(ip + UDP_LEN as u16 + channel)
    }

    /// Bytes of all headers, ChannelData's too.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        let ip = if self.way.ipv4 { IPV4_LEN } else { IPV6_LEN };
        let channel = if self.has_channel() { CHANNEL_LEN } else { 0 };

        ETHERNET_LEN + self.tags_len() + ip + UDP_LEN + usize::from(channel)
    }

    /// Writes the headers over a frame's first bytes; `None` if it is too short.
    #[inline(always)]
    pub(crate) fn write(&self, frame: &mut impl Frame) -> Option<()> {
        let stations: &mut [u8; 12] = frame.get_mut(0)?;
        let ([s0, s1, s2], [o0, o1, o2]) = (self.hop.station, self.hop.own);
        for (at, word) in [s0, s1, s2, o0, o1, o2].into_iter().enumerate() {
            stations[2 * at..2 * at + 2].copy_from_slice(&word.to_ne_bytes());
        }
        match self.tags_len() {
            0 => self.write_ip(frame, ETHERNET_LEN),
            TAG_LEN => {
                *frame.get_mut::<TAG_LEN>(12)? = part(&self.link.tags, 0);
                self.write_ip(frame, ETHERNET_LEN + TAG_LEN)
            }
            _ => {
                *frame.get_mut(12)? = self.link.tags;
                self.write_ip(frame, ETHERNET_LEN + 2 * TAG_LEN)
            }
        }
    }

    #[inline(always)]
    fn has_channel(&self) -> bool {
        self.way.entry.channel[0] != 0
    }

    #[inline(always)]
    fn tags_len(&self) -> usize {
        match self.link.tags_len[0] {
            0 => 0,
            4 => TAG_LEN,
            _ => 2 * TAG_LEN,
        }
    }

    #[inline(always)]
    fn write_ip(&self, frame: &mut impl Frame, at: usize) -> Option<()> {
        if self.way.ipv4 {
            *frame.get_mut(at - 2)? = ETHERTYPE_IPV4.to_be_bytes();
            self.write_ipv4(frame.get_mut(at)?);
            return self.write_udp(frame, at + IPV4_LEN, IPV4_LEN as u16);
        }
        *frame.get_mut(at - 2)? = ETHERTYPE_IPV6.to_be_bytes();
        let header: &mut [u8; IPV6_LEN] = frame.get_mut(at)?;
        header[..4].copy_from_slice(&0x6000_0000_u32.to_be_bytes());
        header[4..6].copy_from_slice(&(self.way.len - IPV6_LEN as u16).to_be_bytes());
        header[6..8].copy_from_slice(&[PROTOCOL_UDP, TTL]);
        header[8..24].copy_from_slice(&self.way.entry.source);
        header[24..].copy_from_slice(&self.way.entry.destination);

        self.write_udp(frame, at + IPV6_LEN, IPV6_LEN as u16)
    }

    #[inline(always)]
    fn write_ipv4(&self, header: &mut [u8; IPV4_LEN]) {
        let source = ipv4_bytes(&self.way.entry.source);
        let destination = ipv4_bytes(&self.way.entry.destination);
        let constant = u32::from(IPV4) + u32::from(DONT_FRAGMENT) + u32::from(TTL_UDP);
        let hosts = checksum::sum(&source) + checksum::sum(&destination);
        let checksum = checksum::of(constant + u32::from(self.way.len) + hosts);
        header[..2].copy_from_slice(&IPV4.to_be_bytes());
        header[2..4].copy_from_slice(&self.way.len.to_be_bytes());
        header[4..8].copy_from_slice(&u32::from(DONT_FRAGMENT).to_be_bytes());
        header[8..10].copy_from_slice(&TTL_UDP.to_be_bytes());
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header[12..16].copy_from_slice(&source);
        header[16..].copy_from_slice(&destination);
    }

    #[inline(always)]
    fn write_udp(&self, frame: &mut impl Frame, at: usize, ip_len: u16) -> Option<()> {
        let entry = self.way.entry;
        let header: &mut [u8; UDP_LEN] = frame.get_mut(at)?;
        header[..2].copy_from_slice(&entry.source_port);
        header[2..4].copy_from_slice(&entry.destination_port);
        header[4..6].copy_from_slice(&(self.way.len - ip_len).to_be_bytes());
        header[6..].copy_from_slice(&self.checksum.to_be_bytes());
        if self.has_channel() {
            let header: &mut [u8; CHANNEL_LEN as usize] = frame.get_mut(at + UDP_LEN)?;
            header[..2].copy_from_slice(&entry.channel);
            header[2..].copy_from_slice(&self.data_len.to_be_bytes());
        }

        Some(())
    }
}
