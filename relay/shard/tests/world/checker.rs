//! The checks of a full ICE agent, made by hand.

use super::World;
use relay_shard::Path;
use relay_wire::control::{Fingerprint, Hash, Opened, Remote};
use relay_wire::stun::{Class, IntegrityKey, Message, Method, Writer};

pub(crate) const REMOTE_UFRAG: &str = "remote";

/// What a check says.
pub(crate) struct Check<'a> {
    pub(crate) username: String,
    pub(crate) pwd: &'a str,
    pub(crate) nominate: bool,
    pub(crate) controlled: bool,
    pub(crate) unknown: bool,
    pub(crate) fingerprint: bool,
}

impl<'a> Check<'a> {
    pub(crate) fn of(opened: &'a Opened) -> Self {
        Self {
            username: format!("{}:{REMOTE_UFRAG}", opened.ufrag),
            pwd: &opened.pwd,
            nominate: false,
            controlled: false,
            unknown: false,
            fingerprint: true,
        }
    }

    pub(crate) fn nominating(opened: &'a Opened) -> Self {
        Self { nominate: true, ..Self::of(opened) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut buffer = [0; 512];
        let mut writer =
            Writer::begin(&mut buffer, Class::Request, Method::BINDING, b"transaction!");
        writer.username(&self.username).priority(1);
        match self.controlled {
            true => writer.ice_controlled(1),
            false => writer.ice_controlling(1),
        };
        if self.nominate {
            writer.use_candidate();
        }
        if self.unknown {
            writer.attribute(0x7abc, b"?");
        }
        writer.integrity(&IntegrityKey::short_term(self.pwd));
        if self.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().unwrap();

        buffer[..len].to_vec()
    }
}

/// What came back on a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Silence,
    Success(std::net::SocketAddr),
    Error(u16, Vec<u16>),
}

impl World {
    /// Sends a check and reads the answer, which must be signed with `pwd`.
    pub(crate) fn check(&mut self, path: Path, check: &Check<'_>) -> Reply {
        self.sent.clear();
        self.receive(path, &check.bytes());
        let Some((back, bytes)) = self.sent.pop() else { return Reply::Silence };
        assert_eq!(back, path);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.transaction_id(), b"transaction!");
        assert!(message.verify_integrity(&IntegrityKey::short_term(check.pwd)));
        assert!(message.verify_fingerprint());
        match message.class() {
            Class::Success => Reply::Success(message.xor_mapped_address().unwrap()),
            _ => Reply::Error(
                message.error_code().unwrap().code,
                message.unknown_attributes().into_iter().flatten().collect(),
            ),
        }
    }
}

pub(crate) fn remote() -> Remote {
    Remote {
        ufrag: REMOTE_UFRAG.into(),
        pwd: "a-password-of-22-chars".replace('-', "+"),
        fingerprint: Fingerprint { hash: Hash::Sha256, digest: vec![1; 32] },
    }
}
