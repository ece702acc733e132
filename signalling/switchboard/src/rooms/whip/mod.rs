//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): participants without a signalling connection.
//!
//! A publisher is a participant like any other. A player is hidden and receives the room's first
//! (or the named participant's) sound and pictures on the m-lines it offered; it follows when they
//! change, which nothing needs to be negotiated for.

mod interface;
mod patch;
mod play;
mod publish;
mod session;

pub use interface::{
    Credentials, RequestId, SessionError, SessionOffer, SessionReply, SessionRequest, SessionRole,
};
pub(super) use session::Session;
