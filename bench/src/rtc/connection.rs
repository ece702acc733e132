//! One connection: a socket, ICE, DTLS, and then protected packets both ways.

use super::data::Data;
use super::dtls::{Handshake, Identity};
use super::ice::{Agent, Change, Credentials};
use super::sdp::{Remote, Setup};
use super::srtp::{Keys, Refusal};
use crate::net::sockets;
use anyhow::{Context, Result, bail};
#[cfg(test)]
use dimpl::SrtpProfile;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Time for a path and a handshake.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Bytes of a plain packet at most.
pub(super) const PACKET_MAX: usize = 2_048;

/// Our side, before the server's is known.
pub(crate) struct Local {
    /// Bound, not connected; `None` once a connection has it.
    socket: Option<UdpSocket>,
    /// Where it is bound.
    pub(super) address: SocketAddr,
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) fingerprint: [u8; 32],
    /// Session id of our descriptions.
    pub(super) session: u64,
}

impl Local {
    /// Whether an address is of its family.
    pub(crate) fn reaches(&self, address: SocketAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
    }

    /// A socket whose candidate is `ip`, and new credentials. It is bound to no address: a server
    /// may have others than the one by which it was joined, on other cards.
    pub(crate) fn new(ip: IpAddr, identity: &Identity) -> Result<Self> {
        let any: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).context("no socket for another client")?;
        sockets::prepare(&socket, true)?;
        sockets::tell_receive_times(&socket)?;
        let random: [u64; 3] = rand::random();

        Ok(Self {
            address: SocketAddr::new(ip, socket.local_addr()?.port()),
            socket: Some(socket),
            ufrag: format!("{:08x}", random[0] as u32),
            password: format!("{:016x}{:016x}", random[1], random[2]),
            fingerprint: identity.fingerprint,
            session: random[0] >> 2,
        })
    }

    /// The same side for a connection, while this one goes on to describe it.
    pub(crate) fn for_connection(&mut self) -> Self {
        Self {
            socket: self.socket.take(),
            ufrag: self.ufrag.clone(),
            password: self.password.clone(),
            ..*self
        }
    }
}

/// What a datagram was.
pub(crate) enum Arrival {
    /// Of ICE or DTLS, or nothing.
    Control,
    /// Of ICE or DTLS, and now media can flow.
    Connected,
    /// A plain RTP packet stands in the buffer.
    Rtp,
    /// A plain compound RTCP packet stands in the buffer.
    Rtcp,
    /// A packet that SRTP refused.
    Refused(Refusal),
}

/// One connection.
pub(crate) struct Connection {
    /// Its socket; connected once a path stands.
    pub(crate) socket: UdpSocket,
    ice: Agent,
    handshake: Handshake,
    keys: Option<Keys>,
    data: Data,
    since: Instant,
}

impl Connection {
    /// Begins to connect; `offered` says whose the offer was.
    pub(crate) fn new(
        local: Local,
        remote: &Remote,
        identity: &Identity,
        offered: bool,
        now: Instant,
    ) -> Result<Self> {
        let candidates = remote.candidates.iter().filter(|address| local.reaches(**address));
        let candidates = candidates.copied().collect();
        let socket = local.socket.context("a connection's side is used twice")?;
        let active = match remote.setup {
            Setup::Active => false,
            Setup::Passive => true,
            Setup::ActPass => !offered,
        };
        let own = Credentials { ufrag: local.ufrag, password: local.password };
        let theirs = Credentials { ufrag: remote.ufrag.clone(), password: remote.password.clone() };
        let controlling = offered || remote.lite;

        Ok(Self {
            socket,
            ice: Agent::new(&own, &theirs, candidates, controlling, now),
            handshake: Handshake::new(identity, remote.fingerprint, active, now),
            keys: None,
            data: Data::default(),
            since: now,
        })
    }

    /// What to protect packets with and where to send them, once media can flow.
    pub(crate) fn keys(&mut self) -> Option<(&mut Keys, &UdpSocket)> {
        Some((self.keys.as_mut()?, &self.socket))
    }

    /// What the handshake agreed on for SRTP, once it is done.
    pub(crate) fn profile(&self) -> Option<&'static str> {
        self.keys.as_ref().map(|keys| keys.profile)
    }

    /// Takes in a datagram; `buffer` holds what was in it if it was a packet of media.
    pub(crate) fn receive(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Result<Arrival> {
        // RFC 7983, section 7: what a datagram is stands in its first byte.
        match datagram.first() {
            Some(0..=3) => {
                let socket = &self.socket;
                let change = self.ice.receive(datagram, from, now, &mut |to, bytes| {
                    send(socket, Some(to), bytes);
                });
                if let Change::Selected(address) = change {
                    self.socket.connect(address).context("cannot connect a client's socket")?;
                    return self.begin(now);
                }
                Ok(Arrival::Control)
            }
            Some(20..=63) => {
                let to = self.ice.selected().unwrap_or(from);
                let socket = &self.socket;
                let mut send = |bytes: &[u8]| send(socket, Some(to), bytes);
                let data = &mut self.data;
                let keys = self.handshake.receive(datagram, now, &mut send, &mut |packet| {
                    data.receive(packet, now);
                })?;
                self.data.pump(now, &mut |packet| self.handshake.send(packet, &mut send));
                Ok(self.have(keys))
            }
            Some(128..=191) => Ok(self.unprotect(datagram, buffer)),
            _ => Ok(Arrival::Control),
        }
    }

    /// Sends what is due by time: checks, and handshakes that were lost.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<Arrival> {
        let socket = &self.socket;
        self.ice.advance(now, &mut |to, bytes| send(socket, Some(to), bytes));
        if self.keys.is_none() && now.saturating_duration_since(self.since) > CONNECT_MAX {
            let step = if self.ice.selected().is_some() { "DTLS" } else { "ICE" };
            bail!("no connection for media in {} s: {step} got no answer", CONNECT_MAX.as_secs());
        }
        if self.ice.has_expired(now) {
            bail!("the server has not answered for long: it is gone");
        }
        self.data.advance(now);
        self.data.pump(now, &mut |packet| {
            self.handshake.send(packet, &mut |bytes| send(socket, None, bytes));
        });
        if self.ice.selected().is_some() && self.handshake.timeout <= now {
            return self.begin(now);
        }

        Ok(Arrival::Control)
    }

    fn begin(&mut self, now: Instant) -> Result<Arrival> {
        let socket = &self.socket;
        let keys = self.handshake.advance(now, &mut |bytes| send(socket, None, bytes))?;

        Ok(self.have(keys))
    }

    fn have(&mut self, keys: Option<Keys>) -> Arrival {
        if keys.is_none() {
            return Arrival::Control;
        }
        self.keys = keys;

        Arrival::Connected
    }

    fn unprotect(&mut self, datagram: &[u8], buffer: &mut Vec<u8>) -> Arrival {
        let Some(keys) = self.keys.as_mut().filter(|_| datagram.len() <= PACKET_MAX) else {
            return Arrival::Control;
        };
        buffer.clear();
        buffer.extend_from_slice(datagram);
        // RFC 5761, section 4: payload types 64 to 95 are those of RTCP.
        let is_rtcp = datagram.get(1).is_some_and(|byte| (192..=223).contains(byte));
        let result = if is_rtcp { keys.unprotect_rtcp(buffer) } else { keys.unprotect(buffer) };

        match result {
            Ok(()) if is_rtcp => Arrival::Rtcp,
            Ok(()) => Arrival::Rtp,
            Err(refusal) => Arrival::Refused(refusal),
        }
    }
}

#[cfg(test)]
impl Connection {
    /// The two ends of one that stands, over loopback.
    pub(crate) fn pair() -> Result<[Self; 2]> {
        const MATERIAL: [u8; 88] = [7; 88];
        let identity = Identity::new()?;
        let local = || Local::new(Ipv4Addr::LOCALHOST.into(), &identity);
        let sides = [local()?, local()?];
        let addresses = sides.each_ref().map(|side| side.address);
        let end = |side: Local, other, active| -> Result<Self> {
            let socket = side.socket.context("a new side has a socket")?;
            socket.connect(other)?;
            let own = Credentials { ufrag: side.ufrag, password: side.password };
            let now = Instant::now();
            Ok(Self {
                socket,
                ice: Agent::new(&own, &own, vec![other], active, now),
                handshake: Handshake::new(&identity, identity.fingerprint, active, now),
                keys: Some(Keys::new(&MATERIAL, SrtpProfile::AEAD_AES_256_GCM, active)?),
                data: Data::default(),
                since: now,
            })
        };
        let [ours, theirs] = sides;

        Ok([end(ours, addresses[1], true)?, end(theirs, addresses[0], false)?])
    }
}

/// Sends by ICE or DTLS: what a full buffer or an absent server does not take is sent again later.
fn send(socket: &UdpSocket, to: Option<SocketAddr>, bytes: &[u8]) {
    let connected = socket.peer_addr().is_ok();
    let _ = match to.filter(|_| !connected) {
        Some(to) => socket.send_to(bytes, to),
        None => socket.send(bytes),
    };
}
