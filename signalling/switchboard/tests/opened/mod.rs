//! A transport that the relay has opened.

use relay_wire::control::{Fingerprint, Hash, Opened};

/// One without candidates.
pub(crate) fn opened() -> Opened {
    Opened {
        shard: 0,
        ufrag: "00abcdefgh".into(),
        pwd: "0123456789abcdef0123456789abcdef".into(),
        fingerprint: Fingerprint { hash: Hash::Sha256, digest: (0..32).collect() },
        candidates: Vec::new(),
        candidates_tcp: Vec::new(),
    }
}
