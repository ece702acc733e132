//! Data channels and control frames, from exact bytes.

use relay_wire::control::{Command, Request, RoomId};
use relay_wire::data::{DataPacket, Dcep, Open, Reliability};
use relay_wire::frame::{self, FRAME_MAX, FrameError, Reader};

const OPEN: &[u8] = b"\x03\x81\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00_lossy";

fn close_room() -> Request {
    Request { id: 1, room: RoomId(2), command: Command::CloseRoom }
}

#[test]
fn an_opening_is_read_and_written() {
    let reliability = Reliability::Retransmits(0);
    let open = Open { ordered: false, reliability, priority: 0, label: "_lossy", protocol: "" };
    let mut buffer = [0; 18];

    assert_eq!(Dcep::parse(OPEN), Some(Dcep::Open(open)));
    assert_eq!(open.write(&mut buffer), Some(18));
    assert_eq!(buffer, OPEN);
    assert_eq!(open.write(&mut buffer[..17]), None);
    assert_eq!(Dcep::parse(b"\x02"), Some(Dcep::Ack));
}

#[test]
fn an_opening_out_of_shape_is_refused() {
    for len in 0..OPEN.len() {
        assert_eq!(Dcep::parse(&OPEN[..len]), None, "{len} bytes");
    }
    for (at, byte) in [(0, 1), (1, 3), (12, 0xff)] {
        let mut broken = OPEN.to_vec();
        broken[at] = byte;
        assert_eq!(Dcep::parse(&broken), None, "byte {at} is {byte}");
    }
}

#[test]
fn a_data_packet_names_its_destinations() {
    // kind, user { payload }, destination_identities twice, sequence.
    let packet = DataPacket::scan(b"\x08\x01\x12\x03\x12\x01x\x2a\x03bob\x2a\x05alice\x80\x01\x09");
    let packet = packet.unwrap();

    assert_eq!(packet.value, Some(2));
    assert!(packet.destinations().eq(["bob", "alice"]));
}

#[test]
fn destinations_of_the_user_packet_count_when_there_are_no_others() {
    let user = b"\x12\x05\x32\x03bob";
    assert!(DataPacket::scan(user).unwrap().destinations().eq(["bob"]));

    let both = [&user[..], b"\x2a\x05alice"].concat();
    assert!(DataPacket::scan(&both).unwrap().destinations().eq(["alice"]));
}

#[test]
fn a_data_packet_for_everybody_names_nobody() {
    let empty = DataPacket::scan(b"").unwrap();
    assert_eq!((empty.value, empty.destinations().count()), (None, 0));

    let unknown_value = DataPacket::scan(b"\xda\x07\x00").unwrap();
    assert_eq!((unknown_value.value, unknown_value.destinations().count()), (Some(123), 0));
}

#[test]
fn what_is_no_message_is_refused() {
    let malformed: &[&[u8]] = &[
        b"\x2a",
        b"\x2a\x04bob",
        b"\x2a\x01\xff",
        b"\x28\x01",
        b"\x02\x00",
        b"\x0b",
        b"\x0d\x01\x02",
        b"\x12\x02\x32\x05",
        b"\x10\x00",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ];
    for bytes in malformed {
        assert_eq!(DataPacket::scan(bytes), None, "{bytes:x?}");
    }
}

#[test]
fn a_frame_has_these_bytes() {
    let mut stream = Vec::new();
    frame::encode(&close_room(), &mut stream).unwrap();
    let [0, 0, 0, 3, id, room, command] = stream[..] else { panic!() };

    assert_eq!((id, room), (1, 2));
    let mut reader = Reader::new();
    reader.push(&stream);
    assert_eq!(reader.next(), Ok(Some(close_room())));
    assert_eq!(reader.next::<Request>(), Ok(None));
    assert!(command > 0);
}

#[test]
fn a_frame_that_is_too_long_is_neither_written_nor_read() {
    let mut stream = b"before".to_vec();
    let payload = vec![0_u8; FRAME_MAX];
    assert!(matches!(frame::encode(&payload, &mut stream), Err(FrameError::TooLong(_))));
    assert_eq!(stream, b"before");

    let mut reader = Reader::new();
    reader.push(&(FRAME_MAX as u32 + 1).to_be_bytes());
    let refused = reader.next::<Request>();
    assert_eq!(refused, Err(FrameError::TooLong(FRAME_MAX + 1)));
    assert_eq!(reader.next::<Request>(), refused, "an error repeats itself");
}

#[test]
fn a_frame_with_something_left_over_is_malformed() {
    let mut stream = Vec::new();
    frame::encode(&close_room(), &mut stream).unwrap();
    stream[3] += 1;
    stream.push(0);
    let mut reader = Reader::new();
    reader.push(&stream);

    assert_eq!(reader.next::<Request>(), Err(FrameError::Malformed));
}
