//! One transport: how it connects, and what it takes to stay so.

use super::{Happening, TransportEvent};
use crate::data::{Association, Early, Incoming, Outcome, Settings};
use crate::dtls::{Broken, Identity, Scratch, Session, Step, matches};
use crate::ice::{Agent, Credentials};
use crate::srtp::{Profile, SrtpEgress, SrtpIngress, from_keying_material};
use crate::{DropReason, Limits, Outbox, Path};
use dimpl::SrtpProfile;
use relay_wire::control::{Channel, CloseReason, DataRole, Fingerprint, Refusal, Remote};
use relay_wire::control::{RoomId, TransportId};
use std::collections::VecDeque;
use std::time::Instant;

/// SCTP packets kept until the peer's certificate is known to be the announced one.
const INBOX_MAX: usize = 64;

/// What a transport borrows from the shard for a step.
pub(super) struct Tools<'a> {
    pub(super) now: Instant,
    pub(super) id: TransportId,
    pub(super) settings: &'a Settings,
    pub(super) limits: &'a Limits,
    pub(super) scratch: &'a mut Scratch,
    pub(super) events: &'a mut VecDeque<TransportEvent>,
    pub(super) out: &'a mut Outbox,
}

/// The two directions of SRTP.
pub(super) struct Keys {
    pub(super) ingress: SrtpIngress,
    pub(super) egress: SrtpEgress,
}

/// What the handshake has brought forth so far.
#[derive(Default)]
struct Progress {
    certificate: Option<Vec<u8>>,
    keys: Option<Keys>,
    done: bool,
    closed: bool,
    inbox: VecDeque<Vec<u8>>,
}

impl Progress {
    fn take(&mut self, step: Step<'_>, path: Option<Path>, ssrcs_max: usize, out: &mut Outbox) {
        match step {
            Step::Datagram(datagram) => send(path, datagram, out),
            Step::Certificate(der) => self.certificate = Some(der.to_vec()),
            Step::Keys(material, profile) => self.keys = keys(&material, profile, ssrcs_max),
            Step::Connected => self.done = true,
            Step::Data(packet) if self.inbox.len() < INBOX_MAX => {
                self.inbox.push_back(packet.to_vec());
            }
            Step::Data(_) => out.drop(DropReason::DtlsQueueFull),
            Step::Closed => self.closed = true,
        }
    }
}

/// One peer connection.
pub(super) struct Transport {
    pub(super) room: RoomId,
    pub(super) ice: Agent,
    /// DTLS datagrams of this transport that wait in a lane.
    pub(super) waiting: usize,
    /// Whether it stands in the queue of those with SCTP packets to send.
    pub(super) pumping: bool,
    opened: Instant,
    connected: bool,
    role: DataRole,
    announced: Option<Fingerprint>,
    session: Session,
    progress: Progress,
    /// Set once the certificate was found to be the announced one.
    keys: Option<Keys>,
    data: Option<Box<Association>>,
    early: Early,
}

impl Transport {
    pub(super) fn new(
        now: Instant,
        room: RoomId,
        role: DataRole,
        local: Credentials,
        identity: &Identity,
    ) -> Self {
        Self {
            room,
            ice: Agent::new(local, now),
            waiting: 0,
            pumping: false,
            opened: now,
            connected: false,
            role,
            announced: None,
            session: Session::new(identity, now),
            progress: Progress::default(),
            keys: None,
            data: None,
            early: Early::default(),
        }
    }

    /// Whether the handshake is over and the certificate the announced one.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// SRTP keys, once they may be used.
    pub(super) fn keys(&mut self) -> Option<&mut Keys> {
        self.keys.as_mut()
    }

    /// Learns the remote side. The certificate of a session that stands cannot be changed.
    pub(super) fn admit(&mut self, remote: Remote) -> Result<(), Refusal> {
        let changed = self.announced.as_ref().is_some_and(|known| *known != remote.fingerprint);
        if self.connected && changed {
            return Err(Refusal::Invalid);
        }
        self.announced = Some(remote.fingerprint);
        self.ice.admit(remote.ufrag);

        Ok(())
    }

    /// Takes one DTLS datagram.
    pub(super) fn receive(
        &mut self,
        datagram: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), CloseReason> {
        let (path, ssrcs_max) = (self.ice.path(), tools.limits.transport_ssrcs);
        let Self { session, progress, .. } = self;
        let outcome = session.receive(tools.now, datagram, tools.scratch, |step| {
            progress.take(step, path, ssrcs_max, tools.out);
        });

        self.conclude(outcome, tools)
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, tools: &mut Tools<'_>) -> Result<(), CloseReason> {
        if !self.connected && tools.now >= self.opened + tools.limits.connect_timeout {
            return Err(CloseReason::ConnectTimeout);
        }
        if self.connected && tools.now >= self.ice.silent_at(tools.limits.consent_timeout) {
            return Err(CloseReason::ConsentLost);
        }
        if self.session.next_timeout().is_some_and(|at| at <= tools.now) {
            let (path, ssrcs_max) = (self.ice.path(), tools.limits.transport_ssrcs);
            let Self { session, progress, .. } = self;
            let outcome = session.advance(tools.now, tools.scratch, |step| {
                progress.take(step, path, ssrcs_max, tools.out);
            });
            self.conclude(outcome, tools)?;
        }

        self.exchange(tools, |association, tools, sink| {
            if association.next_timeout().is_some_and(|at| at <= tools.now) {
                association.advance(tools.now, sink);
            }
        })
    }

    /// Connects when handshake and announcement are both there; then hands data to SCTP.
    pub(super) fn settle(&mut self, tools: &mut Tools<'_>) -> Result<(), CloseReason> {
        if !self.connected {
            let (true, Some(announced)) = (self.progress.done, &self.announced) else {
                return Ok(());
            };
            let certificate = self.progress.certificate.take();
            if !certificate.is_some_and(|certificate| matches(&certificate, announced)) {
                return Err(CloseReason::Dtls);
            }
            self.connected = true;
            self.keys = self.progress.keys.take();
            tools.events.push_back(TransportEvent {
                room: self.room,
                transport: tools.id,
                happening: Happening::Connected,
            });
        }
        while let Some(packet) = self.progress.inbox.pop_front() {
            let role = self.role;
            self.data.get_or_insert_with(|| Box::new(Association::new(tools.settings, role)));
            self.exchange(tools, |association, tools, sink| {
                association.receive(tools.now, &packet, sink);
            })?;
        }
        self.send_early();

        Ok(())
    }

    /// Queues a data message. A reliable one waits for its channel, if it is ours to open.
    pub(super) fn send_data(&mut self, channel: Channel, message: &[u8]) -> Outcome {
        match &mut self.data {
            Some(association) if association.is_open(channel) => association.send(channel, message),
            _ if channel == Channel::Reliable && self.role == DataRole::Open => {
                if self.early.push(message) { Outcome::Queued } else { Outcome::Refused }
            }
            _ => Outcome::Refused,
        }
    }

    fn send_early(&mut self) {
        let Some(association) = &mut self.data else { return };
        while association.is_open(Channel::Reliable) {
            let Some(message) = self.early.pop() else { return };
            association.send(Channel::Reliable, &message);
        }
    }

    /// Sends SCTP packets of at most `budget` bytes; true when some are left.
    pub(super) fn pump(
        &mut self,
        budget: &mut usize,
        tools: &mut Tools<'_>,
    ) -> Result<bool, CloseReason> {
        let (path, ssrcs_max) = (self.ice.path(), tools.limits.transport_ssrcs);
        let Self { session, progress, data, .. } = self;
        let Some(association) = data else { return Ok(false) };
        let mut outcome = Ok(());
        let more = association.pump(tools.now, |packet| {
            if packet.len() > *budget || outcome.is_err() {
                return false;
            }
            *budget -= packet.len();
            outcome = session.send(packet, tools.scratch, |step| {
                progress.take(step, path, ssrcs_max, tools.out);
            });
            true
        });
        self.conclude(outcome, tools)?;

        Ok(more)
    }

    /// Says good-bye, if there is somebody to say it to.
    pub(super) fn say_goodbye(&mut self, scratch: &mut Scratch, out: &mut Outbox) {
        let path = self.ice.path();
        self.session.close(scratch, |step| {
            if let Step::Datagram(datagram) = step {
                send(path, datagram, out);
            }
        });
    }

    /// When `advance` is next needed.
    pub(super) fn next_timeout(&self, limits: &Limits) -> Instant {
        let ice = self.ice.next_timeout(limits.consent_timeout);
        let data = self.data.as_ref().and_then(|association| association.next_timeout());
        let end = match self.connected {
            true => self.ice.silent_at(limits.consent_timeout),
            false => self.opened + limits.connect_timeout,
        };

        [ice, self.session.next_timeout(), data].into_iter().flatten().fold(end, Instant::min)
    }

    /// How long it took so far, or since it was opened.
    pub(super) fn age_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.opened).as_millis() as u64
    }

    fn conclude(
        &mut self,
        outcome: Result<(), Broken>,
        tools: &mut Tools<'_>,
    ) -> Result<(), CloseReason> {
        if self.progress.closed {
            return Err(CloseReason::PeerClosed);
        }
        outcome.map_err(|Broken| CloseReason::Dtls)?;

        self.settle(tools)
    }

    /// Runs the association and passes on what it says.
    fn exchange(
        &mut self,
        tools: &mut Tools<'_>,
        work: impl FnOnce(&mut Association, &Tools<'_>, &mut dyn FnMut(Incoming)),
    ) -> Result<(), CloseReason> {
        let Some(association) = &mut self.data else { return Ok(()) };
        let (room, transport) = (self.room, tools.id);
        let mut incoming = Vec::new();
        work(association, tools, &mut |message| incoming.push(message));
        for message in incoming {
            let happening = match message {
                Incoming::Message(channel, bytes) => Happening::Data(channel, bytes),
                Incoming::Refused => {
                    tools.out.drop(DropReason::DataRefused);
                    continue;
                }
                Incoming::Lost => return Err(CloseReason::PeerClosed),
            };
            tools.events.push_back(TransportEvent { room, transport, happening });
        }

        Ok(())
    }
}

fn send(path: Option<Path>, datagram: &[u8], out: &mut Outbox) {
    let Some(path) = path else { return out.drop(DropReason::UnknownPath) };
    if let Some(slot) = out.slot(path, datagram.len()) {
        slot.copy_from_slice(datagram);
    }
}

fn keys(material: &[u8], profile: SrtpProfile, ssrcs_max: usize) -> Option<Keys> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let (client, server) = from_keying_material(profile, material)?;

    Some(Keys {
        ingress: SrtpIngress::new(profile, client.key, client.salt, ssrcs_max),
        egress: SrtpEgress::new(profile, server.key, server.salt),
    })
}
