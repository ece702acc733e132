//! AV1's payloads (AOMedia's "RTP Payload Format For AV1", section 4.4).

/// The bit N of the aggregation header: a coded video sequence starts with this packet.
const NEW_SEQUENCE: u8 = 0x08;

/// Whether a keyframe starts with this payload.
pub fn is_keyframe(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & NEW_SEQUENCE != 0)
}
