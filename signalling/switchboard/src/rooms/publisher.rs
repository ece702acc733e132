//! The peer connection on which a client publishes; the client always offers.

use crate::sdp::{Description, SdpError, Setup};
use relay_wire::control::{Opened, Remote, TransportId};

/// The publisher's peer connection. The transport is opened with the first offer, since many
/// clients never publish, and an open transport must connect in time.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    pub(super) transport: Option<TransportId>,
    /// Our side; `None` while the relay opens it, or gives it new credentials.
    pub(super) local: Option<Opened>,
    /// The client's side as the relay knows it.
    pub(super) remote: Option<Remote>,
    /// An offer that waits for our side. The latest wins.
    pub(super) held: Option<Held>,
    pub(super) session: u64,
    pub(super) version: u64,
}

/// An offer that was read.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: u32,
    pub(super) description: Description,
    pub(super) remote: Remote,
}

impl Held {
    pub(super) fn read(id: u32, sdp: &str) -> Result<Self, SdpError> {
        let description = Description::parse(sdp)?;
        let remote = description.remote().ok_or(SdpError::Transport)?;
        let insists = description.sections.iter().any(|m| m.setup == Some(Setup::Passive));
        if insists {
            return Err(SdpError::Setup);
        }
        Ok(Self { id, description, remote })
    }
}

impl Publisher {
    /// Whether `offer` restarts ICE: then our side needs new credentials too (RFC 8839, 4.4.3.1.1).
    pub(super) fn is_restart(&self, offer: &Held) -> bool {
        self.remote
            .as_ref()
            .is_some_and(|known| known.ufrag != offer.remote.ufrag || known.pwd != offer.remote.pwd)
    }
}
