//! One peer connection: an independent WebRTC stack (str0m) on a socket of its own.

use crate::net::sockets;
use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;

/// Receive buffer asked of the kernel, in bytes: it takes what its limits allow.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams taken in one turn, so that no other client waits long.
const BATCH: usize = 64;
const DATAGRAM_MAX: usize = 2_000;

/// A peer connection and its socket.
pub(super) struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    timeout: Instant,
    buffer: Box<[u8; DATAGRAM_MAX]>,
    /// What happened since it was last emptied.
    pub(super) events: VecDeque<Event>,
}

impl Peer {
    /// A peer connection on a fresh port of `ip`.
    pub(super) fn new(ip: IpAddr) -> Result<Self> {
        let now = Instant::now();
        let mut rtc = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_vp8(true).build(now);
        let socket = bind(ip)?;
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);

        Ok(Self {
            rtc,
            socket,
            local,
            timeout: now,
            buffer: Box::new([0; DATAGRAM_MAX]),
            events: VecDeque::new(),
        })
    }

    /// Datagrams that did not fit into its receive buffer.
    pub(super) fn receive_drops(&self) -> u64 {
        sockets::receive_drops(&self.socket)
    }

    /// Answers the server's offer.
    pub(super) fn answer(&mut self, offer: &str) -> Result<String> {
        let offer = SdpOffer::from_sdp_string(offer).context("the server's offer is not SDP")?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        self.drain()?;

        Ok(answer.to_sdp_string())
    }

    /// Offers one video track to send.
    pub(super) fn offer_video(&mut self, track: &str) -> Result<(String, Mid, SdpPendingOffer)> {
        let mut change = self.rtc.sdp_api();
        let (stream, track) = (Some("-".to_owned()), Some(track.to_owned()));
        let mid = change.add_media(MediaKind::Video, Direction::SendOnly, stream, track, None);
        let (offer, pending) = change.apply().context("an offer without a change")?;
        self.drain()?;

        Ok((offer.to_sdp_string(), mid, pending))
    }

    /// Takes the server's answer to an offer.
    pub(super) fn accept(&mut self, pending: SdpPendingOffer, answer: &str) -> Result<()> {
        let answer =
            SdpAnswer::from_sdp_string(answer).context("the server's answer is not SDP")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;

        self.drain()
    }

    /// Queues one RTP packet on a sending m-line; `flush` sends it.
    pub(super) fn write(
        &mut self,
        mid: Mid,
        sequence: u64,
        (timestamp, marker): (u32, bool),
        payload: Vec<u8>,
    ) -> Result<()> {
        let pt = self.rtc.media(mid).and_then(|media| media.remote_pts().first().copied());
        let pt = pt.context("the server's answer took no codec for the track")?;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).context("the track has no stream to send")?;
        let write = RtpWrite::new(pt, sequence.into(), timestamp, Instant::now(), payload);
        stream.write_rtp(write.marker(marker).nackable(true));

        self.drain()
    }

    /// Sends what was queued.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.rtc.handle_input(Input::Timeout(Instant::now()))?;

        self.drain()
    }

    /// Waits until there is something to do: a datagram, or a time-out.
    pub(super) async fn ready(&self) -> Result<()> {
        tokio::select! {
            readable = self.socket.readable() => Ok(readable?),
            () = tokio::time::sleep_until(self.timeout.into()) => Ok(()),
        }
    }

    /// Takes in a batch of datagrams, then what the time asks for.
    pub(super) fn turn(&mut self) -> Result<()> {
        for _ in 0..BATCH {
            let (len, source) = match self.socket.try_recv_from(&mut self.buffer[..]) {
                Ok(received) => received,
                // A port of the server that is gone: its time-outs tell.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot receive"),
            };
            let Ok(contents) = self.buffer[..len].try_into() else { continue };
            let (proto, destination) = (Protocol::Udp, self.local);
            let receive = Receive { proto, source, destination, contents };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
            self.drain()?;
        }
        if self.timeout <= Instant::now() {
            self.flush()?;
        }

        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(timeout) => {
                    self.timeout = timeout;
                    break;
                }
                Output::Transmit(transmit) => {
                    // A full send buffer loses the packet, as a network would.
                    let _ = self.socket.try_send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(event) => self.events.push_back(event),
            }
        }
        if !self.rtc.is_alive() {
            bail!("the peer connection ended");
        }

        Ok(())
    }
}

fn bind(ip: IpAddr) -> Result<UdpSocket> {
    let address = SocketAddr::from((ip, 0));
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(SocketProtocol::UDP))
        .context("no socket for another client: raise `ulimit -n`")?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into()).with_context(|| format!("cannot bind to {ip}"))?;

    Ok(UdpSocket::from_std(socket.into())?)
}

/// The far future, for those who wait for nothing.
pub(super) fn never() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
