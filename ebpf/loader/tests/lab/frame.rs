//! Frames, written field by field from the RFCs and not by the code under test.

use std::net::{IpAddr, SocketAddr};

/// An Ethernet frame with a UDP datagram.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) station: [u8; 6],
    pub(crate) own: [u8; 6],
    /// VLAN tags: protocol and identifier.
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Vec<u8>,
    pub(crate) ttl: u8,
    /// Whether there is a UDP checksum.
    pub(crate) checksum: bool,
}

impl Frame {
    pub(crate) fn new(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Self {
        Self {
            station: super::RELAY_MAC,
            own: super::CLIENT_MAC,
            tags: Vec::new(),
            source,
            destination,
            payload: payload.to_vec(),
            ttl: 64,
            checksum: true,
        }
    }

    pub(crate) fn macs(mut self, station: [u8; 6], own: [u8; 6]) -> Self {
        (self.station, self.own) = (station, own);
        self
    }

    pub(crate) fn tags(mut self, tags: &[(u16, u16)]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    pub(crate) fn without_checksum(mut self) -> Self {
        self.checksum = false;
        self
    }

    /// Where the IP header begins.
    pub(crate) fn ip_at(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.station, self.own].concat();
        for (protocol, vlan) in &self.tags {
            bytes.extend(protocol.to_be_bytes());
            bytes.extend(vlan.to_be_bytes());
        }
        let udp = self.udp();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                bytes.extend([0x08, 0x00]);
                let mut header = vec![0x45, 0];
                header.extend((20 + udp.len() as u16).to_be_bytes());
                header.extend([0, 0, 0x40, 0, self.ttl, 17, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let checksum = !sum(&header);
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                bytes.extend(header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                bytes.extend((udp.len() as u16).to_be_bytes());
                bytes.extend([17, self.ttl]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
            }
            _ => panic!("two families in one frame"),
        }
        bytes.extend(udp);

        bytes
    }

    fn udp(&self) -> Vec<u8> {
        let len = 8 + self.payload.len() as u16;
        let mut udp = Vec::new();
        udp.extend(self.source.port().to_be_bytes());
        udp.extend(self.destination.port().to_be_bytes());
        udp.extend(len.to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(&self.payload);
        if self.checksum {
            let mut pseudo = octets(self.source.ip());
            pseudo.extend(octets(self.destination.ip()));
            pseudo.extend(u32::from(len).to_be_bytes());
            pseudo.extend([0, 0, 0, 17]);
            pseudo.extend(&udp);
            let checksum = match !sum(&pseudo) {
                0 => 0xffff,
                other => other,
            };
            udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        }

        udp
    }
}

/// A frame with another IPv4 header at `at`, whose checksum is right.
pub(crate) fn with_ipv4_checksum(
    mut bytes: Vec<u8>,
    at: usize,
    change: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let len = bytes.len();
    let header = &mut bytes[at..len.min(at + 20)];
    change(header);
    let end = at + usize::from(header[0] & 0xf) * 4;
    bytes[at + 10..at + 12].fill(0);
    let checksum = !sum(&bytes[at..end]);
    bytes[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());

    bytes
}

/// Sender, receiver and payload of an untagged frame with a plain UDP datagram.
pub(crate) fn parse(frame: &[u8]) -> (SocketAddr, SocketAddr, &[u8]) {
    let ipv4 = frame[12..14] == [8, 0];
    let ip = |at: usize| match ipv4 {
        true => IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).expect("four bytes")),
        false => IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).expect("sixteen bytes")),
    };
    let (source, destination, udp) = match ipv4 {
        true => (ip(26), ip(30), &frame[34..]),
        false => (ip(22), ip(38), &frame[54..]),
    };
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);

    (SocketAddr::new(source, port(0)), SocketAddr::new(destination, port(2)), &udp[8..])
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The ones' complement sum (RFC 1071), by a loop over the words.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u64::from(*high) << 8 | u64::from(*low),
        [high] => u64::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }

    sum as u16
}

/// ChannelData: header and data (RFC 8656, section 12.4).
pub(crate) fn payload(channel: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = channel.to_be_bytes().to_vec();
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);

    bytes
}
