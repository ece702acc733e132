//! STUN messages as the tests write and read them.

use relay_wire::stun::{Class, Message, Method, Writer};

/// Writes a request with `write`.
pub(crate) fn request(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 1500];
    let mut writer = Writer::begin(&mut buffer, Class::Request, Method::ALLOCATE, &[9; 12]);
    write(&mut writer);
    let len = writer.finish().expect("room for it");
    buffer.truncate(len);

    buffer
}

pub(crate) fn parse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("a message")
}
