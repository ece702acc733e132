//! RTCP from hand-made bytes, and written to exactly these.

use relay_wire::rtcp::{self, FirEntry, Packet, ReportBlock, SenderInfo, Writer, ntp};
use std::time::Duration;

/// A receiver report of one block, then a source description.
const COMPOUND: &[u8] = b"\x81\xc9\x00\x07\0\0\0\x01\
    \0\0\0\x02\x40\xff\xff\xfe\x00\x01\x00\x05\0\0\0\x06\0\0\0\x07\0\0\0\x08\
    \x81\xca\x00\x03\0\0\0\x01\x01\x05cname\0";

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 2,
        fraction_lost: 64,
        lost: -2,
        highest: 65541,
        jitter: 6,
        last_sr: 7,
        delay: 8,
    }
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> bool) -> Vec<u8> {
    let mut buffer = [0; 1500];
    let mut writer = Writer::new(&mut buffer);
    assert!(write(&mut writer));

    writer.written().to_vec()
}

fn only(compound: &[u8]) -> Packet<'_> {
    let mut packets = rtcp::packets(compound);
    let packet = packets.next().expect("one packet");
    assert!(packets.next().is_none() && rtcp::is_well_formed(compound));

    packet
}

#[test]
fn a_compound_is_read_and_written() {
    let mut packets = rtcp::packets(COMPOUND);
    let Some(Packet::ReceiverReport { ssrc: 1, reports }) = packets.next() else { panic!() };
    assert!(reports.eq([block()]));
    let Some(Packet::Sdes(items)) = packets.next() else { panic!() };
    assert!(items.map(|item| (item.ssrc, item.cname())).eq([(1, Some("cname"))]));
    assert!(packets.next().is_none());

    let bytes = written(|writer| writer.receiver_report(1, &[block()]) && writer.cname(1, "cname"));
    assert_eq!(bytes, COMPOUND);
}

#[test]
fn a_sender_report_is_written_and_read() {
    let info = SenderInfo { ssrc: 1, ntp: 0x0102_0304_0506_0708, rtp: 9, packets: 10, octets: 11 };
    let bytes = written(|writer| writer.sender_report(&info, &[]));

    let expected = b"\x80\xc8\x00\x06\0\0\0\x01\x01\x02\x03\x04\x05\x06\x07\x08\
        \0\0\0\x09\0\0\0\x0a\0\0\0\x0b";
    assert_eq!(bytes, expected);
    let Packet::SenderReport { ssrc: 1, ntp, rtp: 9, packets: 10, octets: 11, .. } = only(&bytes)
    else {
        panic!()
    };
    assert_eq!(ntp::middle(ntp), 0x0304_0506);
}

#[test]
fn lost_packets_are_asked_for_in_masks() {
    let bytes = written(|writer| writer.nack(1, 2, [0xffff, 0, 15, 16, 40]));

    let expected = b"\x81\xcd\x00\x05\0\0\0\x01\0\0\0\x02\
        \xff\xff\x80\x01\x00\x10\x00\x00\x00\x28\x00\x00";
    assert_eq!(bytes, expected);
    let Packet::Nack { sender: 1, media: 2, sequences } = only(&bytes) else { panic!() };
    assert!(sequences.eq([0xffff, 0, 15, 16, 40]));
}

#[test]
fn keyframe_requests_are_written_and_read() {
    let pli = written(|writer| writer.pli(1, 2));
    assert_eq!(pli, b"\x81\xce\x00\x02\0\0\0\x01\0\0\0\x02");
    assert!(matches!(only(&pli), Packet::Pli { sender: 1, media: 2 }));

    let entry = FirEntry { ssrc: 2, sequence: 3 };
    let fir = written(|writer| writer.fir(1, &[entry]));
    assert_eq!(fir, b"\x84\xce\x00\x04\0\0\0\x01\0\0\0\0\0\0\0\x02\x03\0\0\0");
    let Packet::Fir { sender: 1, entries } = only(&fir) else { panic!() };
    assert!(entries.eq([entry]));
}

#[test]
fn a_bandwidth_estimate_is_written_and_read() {
    let bytes = written(|writer| writer.remb(1, 1_000_000, &[2]));

    let expected = b"\x8f\xce\x00\x05\0\0\0\x01\0\0\0\0REMB\x01\x0b\xd0\x90\0\0\0\x02";
    assert_eq!(bytes, expected);
    let Packet::Remb(remb) = only(&bytes) else { panic!() };
    assert_eq!((remb.sender, remb.bitrate_bps), (1, 1_000_000));
    assert!(remb.ssrcs.eq([2]));
}

#[test]
fn a_bye_is_written_and_read_with_or_without_a_reason() {
    let bytes = written(|writer| writer.bye(&[1, 2]));
    assert_eq!(bytes, b"\x82\xcb\x00\x02\0\0\0\x01\0\0\0\x02");

    let Packet::Bye(ssrcs) = only(b"\x82\xcb\x00\x03\0\0\0\x01\0\0\0\x02\x03end") else { panic!() };
    assert!(ssrcs.eq([1, 2]));
}

#[test]
fn transport_feedback_of_all_kinds_of_chunks_is_read() {
    // A run of two missing, a vector of one bit (14 statuses), a vector of two bits (7).
    let bytes = b"\x8f\xcd\x00\x08\0\0\0\x01\0\0\0\x02\xff\xfe\x00\x17\x00\x00\x02\x09\
        \x00\x02\xa0\x01\xd8\x00\x04\x08\xff\xfc\x0c\0\0\0\0\0";
    let Packet::TransportCc(feedback) = only(bytes) else { panic!() };

    assert_eq!((feedback.base, feedback.count, feedback.feedback_count), (0xfffe, 23, 9));
    let deltas: Vec<_> = feedback.deltas().filter_map(|(n, delta)| Some((n, delta?))).collect();
    assert_eq!(deltas, [(0, 4), (13, 8), (14, 255), (15, -1012)]);
}

#[test]
fn transport_feedback_is_written_in_runs_and_vectors() {
    let ms = Duration::from_millis;
    let arrivals = [(3, ms(64)), (4, ms(65)), (7, ms(63)), (8, ms(163))];
    let mut buffer = [0; 100];
    let mut writer = Writer::new(&mut buffer);

    assert_eq!(writer.transport_cc((1, 2), 2, 5, &arrivals), 4);
    // Statuses of 2 to 8: missing, small, small, missing, missing, large, large.
    let expected = b"\x8f\xcd\x00\x06\0\0\0\x01\0\0\0\x02\x00\x02\x00\x07\x00\x00\x01\x05\
        \xc5\x0a\x00\x04\xff\xf8\x01\x90";
    assert_eq!(writer.written(), expected);
}

#[test]
fn transport_feedback_goes_on_in_another_packet() {
    let far = Duration::from_secs(9);
    let mut buffer = [0; 100];
    let mut writer = Writer::new(&mut buffer);

    assert_eq!(writer.transport_cc((1, 2), 1, 0, &[(1, Duration::ZERO), (2, far)]), 1, "too late");
    assert_eq!(writer.transport_cc((1, 2), 1, 1, &[(3, far), (2, far)]), 1, "out of order");
    assert_eq!(writer.transport_cc((1, 2), 1, 2, &[(0, far)]), 0, "before the base");
    assert_eq!(writer.transport_cc((1, 2), 1, 3, &[]), 0, "nothing to tell");
    assert_eq!(rtcp::packets(writer.written()).count(), 2);
}

#[test]
fn malformed_feedback_is_unknown() {
    let malformed: &[&[u8]] = &[
        b"\x8f\xcd\x00\x04\0\0\0\x01\0\0\0\x02\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x8f\xcd\x00\x05\0\0\0\x01\0\0\0\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\0\0",
        b"\x8f\xcd\x00\x05\0\0\0\x01\0\0\0\x02\x00\x00\x00\x01\x00\x00\x00\x00\x60\x01\0\0",
        b"\x8f\xcd\x00\x05\0\0\0\x01\0\0\0\x02\x00\x00\x00\x03\x00\x00\x00\x00\x20\x03\0\0",
        b"\x81\xcd\x00\x02\0\0\0\x01\0\0\0\x02",
        b"\x84\xce\x00\x03\0\0\0\x01\0\0\0\0\0\0\0\x02",
        b"\x82\xcb\x00\x01\0\0\0\x01",
        b"\x81\xc9\x00\x01\0\0\0\x01",
        b"\x81\xca\x00\x02\0\0\0\x01\x01\x05cn",
    ];
    for bytes in malformed {
        assert!(matches!(only(bytes), Packet::Unknown { .. }), "{bytes:x?}");
    }
}

#[test]
fn a_compound_ends_where_it_is_cut() {
    assert!(rtcp::is_well_formed(COMPOUND));
    for len in (0..COMPOUND.len()).filter(|len| *len != 32) {
        assert!(!rtcp::is_well_formed(&COMPOUND[..len]), "{len} bytes");
        assert_eq!(rtcp::packets(&COMPOUND[..len]).count(), usize::from(len >= 32));
    }
}

#[test]
fn padding_is_taken_off() {
    let Packet::Bye(ssrcs) = only(b"\xa1\xcb\x00\x02\0\0\0\x01\0\0\0\x04") else { panic!() };
    assert!(ssrcs.eq([1]));
    assert!(!rtcp::is_well_formed(b"\xa1\xcb\x00\x01\0\0\0\x00"));
    assert!(!rtcp::is_well_formed(b"\xa1\xcb\x00\x01\0\0\0\x05"));
}

#[test]
fn a_packet_that_does_not_fit_leaves_the_compound_as_it_was() {
    let mut buffer = [0; 44];
    let mut writer = Writer::new(&mut buffer);

    assert!(writer.receiver_report(1, &[block()]));
    assert!(!writer.cname(1, "a name that is too long"));
    assert!(!writer.nack(1, 2, [1]));
    assert!(!writer.nack(1, 2, []));
    assert!(!writer.bye(&[0; 32]));
    assert_eq!(writer.transport_cc((1, 2), 1, 0, &[(1, Duration::ZERO)]), 0);
    assert_eq!(writer.written(), &COMPOUND[..32]);
    assert!(writer.pli(1, 2));
    assert!(rtcp::is_well_formed(writer.written()));
}

#[test]
fn a_round_trip_is_told_by_a_report_block() {
    let sent = ntp::from_duration(ntp::UNIX_EPOCH + Duration::from_secs(1));
    let back = ntp::from_duration(ntp::UNIX_EPOCH + Duration::from_millis(1250));
    let held = ntp::short(Duration::from_millis(200));

    let rtt = ntp::round_trip(ntp::middle(back), ntp::middle(sent), held).unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(50)) < Duration::from_micros(50));
    assert_eq!(ntp::round_trip(1, 0, 0), None);
    assert_eq!(ntp::round_trip(1, 2, 0), None);
}
