//! A user name fragment, a password and the key made of it.

use rand::Rng;
use rand::rngs::StdRng;
use relay_wire::ice;
use relay_wire::stun::IntegrityKey;

/// Local credentials of one transport (RFC 8445, section 5.3).
pub(crate) struct Credentials {
    /// User name fragment; it carries the shard's number.
    pub(crate) ufrag: String,
    /// Password.
    pub(crate) pwd: String,
    /// The password as the key of MESSAGE-INTEGRITY.
    pub(crate) key: IntegrityKey,
}

impl Credentials {
    /// Fresh credentials for a transport on `shard`.
    pub(crate) fn random(shard: u16, random: &mut StdRng) -> Self {
        let ufrag = ice::ufrag(shard, random.random());
        let pwd = ice::pwd(random.random());
        let key = IntegrityKey::short_term(&pwd);

        Self { ufrag, pwd, key }
    }
}
