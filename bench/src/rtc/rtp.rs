//! RTP headers (RFC 3550, section 5.1), with short header extensions (RFC 8285, section 4.2).

/// Bytes of a header without extensions.
const HEADER_LEN: usize = 12;
/// The profile of one-byte extensions.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];

/// What a receiver wants to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Counts packets of the stream.
    pub(crate) sequence: u16,
    /// Whose packet it is.
    pub(crate) ssrc: u32,
    /// Where the payload begins.
    pub(crate) payload: usize,
    /// Bytes of padding behind it.
    pub(crate) padding: usize,
}

impl Header {
    /// Reads the header of a plain packet.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (fixed, _) = packet.split_first_chunk::<HEADER_LEN>()?;
        let mut payload = HEADER_LEN + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let (_, rest) = packet.get(payload..)?.split_first_chunk::<2>()?;
            let words = u16::from_be_bytes(*rest.first_chunk()?);
            payload += 4 + 4 * usize::from(words);
        }
        let padding = if fixed[0] & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        let header = Self {
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload,
            padding,
        };

        (fixed[0] >> 6 == 2 && payload + padding <= packet.len()).then_some(header)
    }
}

/// A stream that is sent: what stands in front of each payload.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Whose packets they are.
    pub(crate) ssrc: u32,
    /// What the server calls our codec.
    pub(crate) payload_type: u8,
    sequence: u16,
    /// Extensions that are the same in each packet, as they stand in it.
    constant: Vec<u8>,
    /// The number of the extension that says how loud it is.
    level: Option<u8>,
}

impl Stream {
    /// A stream; `extensions` are numbers and values that are the same in each packet, `level` is
    /// the number of RFC 6464's.
    pub(crate) fn new(
        ssrc: u32,
        payload_type: u8,
        extensions: &[(u8, &str)],
        level: Option<u8>,
    ) -> Self {
        let mut constant = Vec::new();
        for (number, value) in extensions {
            let len = value.len().clamp(1, 16);
            constant.push(number << 4 | (len - 1) as u8);
            constant.extend_from_slice(value.as_bytes());
        }

        Self { ssrc, payload_type, sequence: 1_000, constant, level }
    }

    /// Bytes in front of each payload.
    pub(crate) fn header_len(&self) -> usize {
        let extensions = self.constant.len() + if self.level.is_some() { 2 } else { 0 };
        let extended = if extensions == 0 { 0 } else { 4 + extensions.next_multiple_of(4) };

        HEADER_LEN + extended
    }

    /// Appends the next packet's header; `level` is loudness in -dBov, with the mark of speech.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, marker: bool, timestamp: u32, level: u8) {
        let extensions = self.header_len() - HEADER_LEN;
        out.push(0x80 | u8::from(extensions > 0) << 4);
        out.push(u8::from(marker) << 7 | self.payload_type);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        if extensions == 0 {
            return;
        }
        let end = out.len() + extensions;
        out.extend_from_slice(&ONE_BYTE);
        out.extend_from_slice(&((extensions / 4 - 1) as u16).to_be_bytes());
        if let Some(number) = self.level {
            out.extend_from_slice(&[number << 4, level]);
        }
        out.extend_from_slice(&self.constant);
        out.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read_as_they_are_written() {
        for (extensions, level) in
            [(&[][..], None), (&[(2, "0"), (3, "high")][..], None), (&[(2, "audio")][..], Some(1))]
        {
            let mut stream = Stream::new(77, 96, extensions, level);
            let mut packet = Vec::new();
            stream.write(&mut packet, true, 5, 0x8a);
            assert_eq!(packet.len(), stream.header_len());
            packet.extend_from_slice(b"abc");

            let header = Header::parse(&packet).unwrap();

            assert_eq!((header.ssrc, header.sequence), (77, 1_000));
            assert_eq!(&packet[header.payload..], b"abc");
            assert_eq!(packet[1], 0x80 | 96);
            if level.is_some() {
                assert_eq!(packet[16..18], [0x10, 0x8a]);
            }
        }
    }

    proptest! {
        #[test]
        fn a_payload_is_within_its_packet(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(header) = Header::parse(&packet) {
                prop_assert!(header.payload + header.padding <= packet.len());
            }
        }
    }
}
