//! Who is in a room.

use relay_wire::control::ParticipantSpec;

/// Transports of one participant.
pub(super) const LINKS_MAX: usize = 4;

/// `DataPacket { participant_identity: "" }` with the field written out: a hidden sender's stamp.
const NAMELESS: [u8; 2] = [4 << 3 | 2, 0];

/// A participant's state.
pub(super) struct Participant {
    pub(super) spec: ParticipantSpec,
    /// Places of the links of this participant.
    pub(super) links: Vec<usize>,
    /// How many tracks this participant publishes.
    pub(super) tracks: usize,
    /// Canonical name of all that this participant sends (RFC 7022).
    pub(super) cname: String,
    /// `DataPacket { user { participant_identity } }`, encoded: the sender's name inside a message
    /// of the old kind.
    pub(super) user_stamp: Vec<u8>,
}

impl Participant {
    /// `random` becomes the canonical name.
    pub(super) fn new(spec: ParticipantSpec, random: u64) -> Self {
        let mut participant = Self {
            spec,
            links: Vec::with_capacity(LINKS_MAX),
            tracks: 0,
            cname: format!("{random:016x}"),
            user_stamp: Vec::new(),
        };
        participant.restamp();

        participant
    }

    /// Changes what is known of the participant.
    pub(super) fn update(&mut self, spec: ParticipantSpec) {
        self.spec = spec;
        self.restamp();
    }

    fn restamp(&mut self) {
        // Who is nameless outside stays so inside.
        let mut inside = match self.spec.stamp.starts_with(&NAMELESS) {
            true => field(1, b""),
            false => Vec::new(),
        };
        let name = if inside.is_empty() { self.spec.identity.as_bytes() } else { b"" };
        inside.extend(field(5, name));
        self.user_stamp = field(2, &inside);
    }
}

/// A length-delimited field of protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        encoded.push(len as u8 | 0x80);
        len >>= 7;
    }
    encoded.push(len as u8);
    encoded.extend_from_slice(bytes);

    encoded
}
