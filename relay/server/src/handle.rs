//! The relay as other threads reach it.

use crate::router::Router;
use crate::streams::CertificateWatch;
use crate::turn::Desk;
use crate::{AllocationInfo, Selector, StartError, TurnSettings};
use relay_wire::control::Request;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Sends requests to the relay from any thread.
#[derive(Clone)]
pub struct RelayHandle {
    router: Arc<Router>,
    desk: Arc<Desk>,
    certificate: Option<Arc<CertificateWatch>>,
}

impl RelayHandle {
    pub(crate) fn new(
        router: Arc<Router>,
        desk: Arc<Desk>,
        certificate: Option<Arc<CertificateWatch>>,
    ) -> Self {
        Self { router, desk, certificate }
    }

    /// Sends a request to its room's shard; the answer comes as an event. A room is made, on the
    /// least loaded shard, by its first `Participant`. A request that no shard can take is refused
    /// on the caller's thread.
    pub fn request(&self, request: Request) {
        self.router.request(request);
    }

    /// Ends all rooms without answers, for a new signalling side that knows none of them. The
    /// receiver is disconnected once no event of these rooms can come any more.
    pub fn close_rooms(&self) -> Receiver<()> {
        self.router.close_rooms()
    }

    /// Changes TURN's settings, for all shards or, when they cannot be, for none. Allocations go
    /// on. Where TURN over TLS is listened for is not changed. Its certificate is read soon, from
    /// the files of these settings; a bad one is logged, and the one before stays.
    pub fn reconfigure_turn(&self, settings: &TurnSettings) -> Result<(), StartError> {
        self.desk.reconfigure(settings)?;
        if let Some(certificate) = &self.certificate {
            certificate.look(settings.tls_files.clone());
        }

        Ok(())
    }

    /// TURN's allocations that match, `None` for all, by their numbers. Blocks until all shards
    /// have answered, or two seconds; one that does not answer by then is left out.
    pub fn allocations(&self, which: Option<&Selector>) -> Vec<AllocationInfo> {
        self.desk.allocations(which)
    }

    /// Ends the allocations that match and hangs up their connections; returns how many there
    /// were. Blocks as `allocations` does.
    pub fn kick(&self, which: &Selector) -> usize {
        self.desk.kick(which)
    }
}
