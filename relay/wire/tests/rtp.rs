//! RTP headers and payloads from hand-made bytes, and datagrams told apart.

use relay_wire::rtp::{self, AudioLevel, Fixed, Header};
use relay_wire::{ChannelHeader, Kind, h264, ice, vp8, vp9};
use std::time::Duration;

/// One CSRC, three elements in the one-byte form with padding between, payload "ab", no padding.
const ONE_BYTE: &[u8] = b"\x91\xef\x12\x34\x00\x00\x10\x00\xde\xad\xbe\xef\x00\x00\x00\x05\
    \xbe\xde\x00\x03\x10\x7f\x00\x22\x01\x02\x03\x31ab\x00\x00ab";

fn fixed() -> Fixed {
    Fixed { marker: true, payload_type: 96, sequence: 7, timestamp: 8, ssrc: 9 }
}

#[test]
fn the_first_bytes_tell_what_a_datagram_is() {
    let kinds: &[(&[u8], Kind)] = &[
        (b"", Kind::Unknown),
        (b"\x00", Kind::Stun),
        (b"\x03", Kind::Stun),
        (b"\x04", Kind::Unknown),
        (b"\x10", Kind::Unknown),
        (b"\x14", Kind::Dtls),
        (b"\x3f", Kind::Dtls),
        (b"\x40", Kind::Channel),
        (b"\x4f", Kind::Channel),
        (b"\x7f", Kind::Channel),
        (b"\x80", Kind::Unknown),
        (b"\x80\x60", Kind::Rtp),
        (b"\x80\xbf", Kind::Rtp),
        (b"\x80\xc0", Kind::Rtcp),
        (b"\xbf\xdf", Kind::Rtcp),
        (b"\xbf\xe0", Kind::Rtp),
        (b"\xc0\xc8", Kind::Unknown),
    ];
    for (datagram, kind) in kinds {
        assert_eq!(Kind::of(datagram), *kind, "{datagram:x?}");
    }
}

#[test]
fn channel_data_is_as_long_as_it_says() {
    let header = ChannelHeader { number: 0x4001, len: 1 };

    assert_eq!(ChannelHeader::parse(b"\x40\x01\x00\x01x"), Some(header));
    assert_eq!(ChannelHeader::parse(b"\x40\x01\x00\x01x\0\0\0"), Some(header));
    assert_eq!(ChannelHeader::parse(b"\x40\x01\x00\x02x"), None);
    assert_eq!(ChannelHeader::parse(b"\x80\x01\x00\x01x"), None);
    assert_eq!(header.write(), *b"\x40\x01\x00\x01");
}

#[test]
fn credentials_are_checked_character_by_character() {
    assert!(ice::is_ufrag("ab+/") && ice::is_pwd(&ice::pwd([255; 24])));
    assert!(!ice::is_ufrag("abc") && !ice::is_ufrag("ab:d") && !ice::is_ufrag(&"a".repeat(257)));
    assert!(!ice::is_pwd(&"a".repeat(21)) && !ice::is_pwd(&"é".repeat(12)));
    assert_eq!(ice::ufrag(37, [0; 8]), "1500000000");
    assert_eq!(ice::shard_of("1500000000"), Some(37));
    assert_eq!(ice::shard_of("150000000"), None);
    assert_eq!(ice::shard_of("zz00000000"), None);
    assert_eq!(ice::split_username("ours:theirs"), Some(("ours", "theirs")));
}

#[test]
fn a_header_with_one_byte_extensions_is_read() {
    let header = Header::parse(ONE_BYTE).unwrap();

    assert!(header.marker);
    assert_eq!((header.payload_type, header.sequence), (111, 0x1234));
    assert_eq!((header.timestamp, header.ssrc), (0x1000, 0xdead_beef));
    assert!(header.csrcs(ONE_BYTE).eq([5]));
    let extensions: Vec<_> = header.extensions(ONE_BYTE).collect();
    assert_eq!(extensions, [(1, &b"\x7f"[..]), (2, b"\x01\x02\x03"), (3, b"ab")]);
    assert_eq!(header.extension_range(ONE_BYTE, 2), Some(24..27));
    assert_eq!(header.extension(ONE_BYTE, 4), None);
    assert_eq!(&ONE_BYTE[header.payload(ONE_BYTE).unwrap()], b"ab");
}

#[test]
fn a_header_with_two_byte_extensions_is_read() {
    let packet = b"\x90\x60\0\0\0\0\0\0\0\0\0\0\x10\x00\x00\x02\x01\x00\x02\x03abc\x00xy";
    let header = Header::parse(packet).unwrap();

    assert!(header.extensions(packet).eq([(1, &b""[..]), (2, b"abc")]));
    assert_eq!(&packet[header.payload(packet).unwrap()], b"xy");
}

#[test]
fn extensions_of_another_form_are_skipped() {
    let packet = b"\x90\x60\0\0\0\0\0\0\0\0\0\0\x12\x34\x00\x01\x10\x00\x02\x03xy";
    let header = Header::parse(packet).unwrap();

    assert_eq!(header.extensions(packet).count(), 0);
    assert_eq!(&packet[header.payload(packet).unwrap()], b"xy");
}

#[test]
fn reserved_ids_end_the_extensions() {
    for reserved in [b"\xf0a", b"\x02a"] {
        let front = b"\x90\x60\0\0\0\0\0\0\0\0\0\0\xbe\xde\x00\x01";
        let packet = [front, &reserved[..], b"\x10b"].concat();
        let header = Header::parse(&packet).unwrap();

        assert_eq!(header.extensions(&packet).count(), 0);
    }
}

#[test]
fn an_element_that_runs_over_the_end_ends_the_extensions() {
    let packet = b"\x90\x60\0\0\0\0\0\0\0\0\0\0\xbe\xde\x00\x01\x10a\x2fbpayload of some length";
    let header = Header::parse(packet).unwrap();

    assert!(header.extensions(packet).eq([(1, &b"a"[..])]));
}

#[test]
fn a_packet_of_padding_only_has_an_empty_payload() {
    let packet = b"\xa0\x60\0\0\0\0\0\0\0\0\0\0\0\0\0\x04";
    let header = Header::parse(packet).unwrap();

    assert_eq!(header.payload(packet), Some(12..12));
    assert_eq!(header.payload(&packet[..12]), None);
    for padding in [0, 5] {
        let mut packet = *packet;
        packet[15] = padding;
        assert_eq!(header.payload(&packet), None, "padding {padding}");
    }
}

#[test]
fn a_header_cut_short_is_refused() {
    for len in 0..32 {
        assert_eq!(Header::parse(&ONE_BYTE[..len]), None, "{len} bytes");
    }
    assert!(Header::parse(&ONE_BYTE[..32]).is_some());
    assert_eq!(Header::parse(b"\x40\x60\0\0\0\0\0\0\0\0\0\0"), None);
}

#[test]
fn a_written_header_has_these_bytes() {
    let mut buffer = [0xff; rtp::HEADER_MAX];
    let len = rtp::Writer::begin(&mut buffer, &fixed())
        .mid(1, "10")
        .abs_send_time(2, rtp::abs_send_time(Duration::from_millis(64_500)))
        .transport_cc(3, 0xabcd)
        .audio_level(4, AudioLevel { voice: true, level: 30 })
        .finish()
        .unwrap();

    let expected = b"\x90\xe0\x00\x07\0\0\0\x08\0\0\0\x09\xbe\xde\x00\x03\
        \x1110\x22\x02\x00\x00\x31\xab\xcd\x40\x9e";
    assert_eq!(buffer[..len], *expected);
}

#[test]
fn a_header_without_extensions_is_twelve_bytes() {
    let mut buffer = [0; 12];

    assert_eq!(rtp::Writer::begin(&mut buffer, &fixed()).padded().finish(), Some(12));
    let header = Header::parse(&buffer).unwrap();
    assert!(header.padded);
    assert_eq!(header.fixed(), fixed());
}

#[test]
fn an_extension_that_cannot_be_is_not_written() {
    for (id, value) in [(0, &b"a"[..]), (15, b"a"), (1, b""), (1, &[0; 17])] {
        let mut buffer = [0; 100];
        let mut writer = rtp::Writer::begin(&mut buffer, &fixed());
        assert_eq!(writer.extension(id, value).finish(), None);
    }
    for len in 0..20 {
        let mut buffer = vec![0; len];
        let mut writer = rtp::Writer::begin(&mut buffer, &fixed());
        assert_eq!(writer.transport_cc(1, 2).finish(), None, "into {len} bytes");
    }
}

#[test]
fn the_longest_header_fits() {
    let mut buffer = [0; rtp::HEADER_MAX];
    let mut writer = rtp::Writer::begin(&mut buffer, &fixed());
    for id in 1..=14 {
        writer.extension(id, &[id; 16]);
    }

    assert!(writer.finish().is_some());
}

#[test]
fn sequence_numbers_wrap() {
    assert!(rtp::sequence::newer(0, 0xffff) && !rtp::sequence::newer(0xffff, 0));
    assert!(!rtp::sequence::newer(5, 5) && !rtp::sequence::newer(0x8005, 5));
    let mut extender = rtp::SequenceExtender::default();
    let extended = [0xfffe, 0x0001, 0xffff, 0x0002].map(|sequence| extender.extend(sequence));

    assert_eq!(extended, [0x1_fffe, 0x2_0001, 0x1_ffff, 0x2_0002]);
    assert_eq!(extender.highest(), Some(0x2_0002));
    assert_eq!(extender.peek(0xfffd), 0x1_fffd);
}

#[test]
fn a_vp8_descriptor_is_read_and_renumbered() {
    let mut payload = *b"\x90\xf0\x81\x02\x07\x65\x10keyframe";
    let descriptor = vp8::Descriptor::parse(&payload).unwrap();

    let id = vp8::PictureId { value: 0x102, wide: true, at: 2 };
    assert_eq!(descriptor.picture_id, Some(id));
    assert_eq!(descriptor.tl0_pic_idx, Some(7));
    assert_eq!((descriptor.temporal_id, descriptor.layer_sync), (Some(1), true));
    assert_eq!((descriptor.key_idx, descriptor.len), (Some(5), 6));
    assert!(vp8::is_keyframe(&payload));

    descriptor.renumber(&mut payload, 0xffff, 8);
    assert_eq!(payload, *b"\x90\xf0\xff\xff\x08\x65\x10keyframe");
}

#[test]
fn vp8_keyframes_start_with_the_first_partition() {
    assert!(vp8::is_keyframe(b"\x10\x00"));
    assert!(!vp8::is_keyframe(b"\x10\x01"), "a delta frame");
    assert!(!vp8::is_keyframe(b"\x00\x00"), "not the start");
    assert!(!vp8::is_keyframe(b"\x11\x00"), "another partition");
    assert!(!vp8::is_keyframe(b"\x10") && !vp8::is_keyframe(b""));
    assert_eq!(vp8::Descriptor::parse(b"\x80\x80\x81"), None, "cut in the picture id");
}

#[test]
fn h264_keyframes_start_with_parameters_or_an_idr_picture() {
    assert!(h264::is_keyframe(b"\x65idr") && h264::is_keyframe(b"\x67sps"));
    assert!(!h264::is_keyframe(b"\x41slice") && !h264::is_keyframe(b"\x68pps"));
    assert!(h264::is_keyframe(b"\x78\x00\x02\x67s\x00\x02\x68p"), "STAP-A");
    assert!(!h264::is_keyframe(b"\x78\x00\x02\x68p\x00\x02\x41s"), "STAP-A without");
    assert!(!h264::is_keyframe(b"\x78\x00\x09\x67s"), "STAP-A cut short");
    assert!(h264::is_keyframe(b"\x7c\x85") && !h264::is_keyframe(b"\x7c\x05"), "FU-A");
    assert!(!h264::is_keyframe(b"\x7c") && !h264::is_keyframe(b""));
}

#[test]
fn a_vp9_descriptor_is_read() {
    // I, P, L, F, B and V; then three references, of which the first two say that there is another.
    let flexible = [0xfa, 0x92, 0x34, 0x35, 0x03, 0x05, 0x06, 0x40, 0xff];
    let read = vp9::Descriptor::parse(&flexible).unwrap();
    assert_eq!(read.picture_id, Some(vp9::PictureId { value: 0x1234, wide: true, at: 1 }));
    let layers = read.layers.unwrap();
    assert_eq!((layers.temporal, layers.spatial), (1, 2));
    assert!(layers.switching_up && layers.inter_layer && read.start && !read.end);
    assert_eq!((read.tl0_pic_idx, read.front_len), (None, 4));
    assert_eq!(read.spatial_layers, Some(3));
    assert!(!read.is_keyframe());

    // I, L, B, E and Z without references.
    let plain = [0xad, 0x12, 0x00, 0x07, 0xff];
    let read = vp9::Descriptor::parse(&plain).unwrap();
    assert_eq!((read.tl0_pic_idx, read.front_len, read.spatial_layers), (Some(7), 4, None));
    assert!(read.is_keyframe() && read.not_referenced && read.end);
    for len in 0..4 {
        assert_eq!(vp9::Descriptor::parse(&plain[..len]), None);
    }
}
