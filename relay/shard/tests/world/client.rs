//! A browser's stand-in: str0m, an independent WebRTC stack, driven in the world's time.

use super::{World, local, path};
use relay_shard::Path;
use relay_wire::control::{Answer, Command, Fingerprint, Hash, Opened, Remote, TransportId};
use std::time::{Duration, Instant};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::DtlsVersion;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};

/// One str0m instance behind one address.
pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    pub(crate) path: Path,
    pub(crate) timeout: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) messages: Vec<(String, Vec<u8>)>,
    pub(crate) channels: Vec<(ChannelId, String)>,
    pub(crate) error: Option<String>,
}

impl Client {
    pub(crate) fn new(now: Instant, port: u16, version: DtlsVersion) -> Self {
        Self::with(now, port, RtcConfig::new().set_dtls_version(version))
    }

    pub(crate) fn with(now: Instant, port: u16, config: RtcConfig) -> Self {
        Self {
            rtc: config.build(now),
            path: path(port),
            timeout: now,
            events: Vec::new(),
            messages: Vec::new(),
            channels: Vec::new(),
            error: None,
        }
    }

    /// What this client would put in its session description.
    pub(crate) fn remote(&mut self) -> Remote {
        let api = self.rtc.direct_api();
        let credentials = api.local_ice_credentials();
        let digest = api.local_dtls_fingerprint().bytes.clone();

        Remote {
            ufrag: credentials.ufrag,
            pwd: credentials.pass,
            fingerprint: Fingerprint { hash: Hash::Sha256, digest },
        }
    }

    /// Starts to connect to what the relay opened.
    pub(crate) fn start(&mut self, opened: &Opened) {
        let ours = Candidate::host(self.path.remote, "udp").unwrap();
        let theirs = Candidate::host(local(), "udp").unwrap();
        self.rtc.add_local_candidate(ours);
        self.rtc.add_remote_candidate(theirs);
        let mut api = self.rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(IceCreds {
            ufrag: opened.ufrag.clone(),
            pass: opened.pwd.clone(),
        });
        api.set_remote_fingerprint(str0m::crypto::Fingerprint {
            hash_func: "sha-256".into(),
            bytes: opened.fingerprint.digest.clone(),
        });
        api.start_dtls(true).unwrap();
        api.start_sctp(true);
    }

    pub(crate) fn open_channels(&mut self) {
        let mut api = self.rtc.direct_api();
        api.create_data_channel(ChannelConfig { label: "_reliable".into(), ..Default::default() });
        api.create_data_channel(ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        });
    }

    pub(crate) fn channel(&self, label: &str) -> Option<ChannelId> {
        self.channels.iter().find(|(_, open)| open == label).map(|(id, _)| *id)
    }

    pub(crate) fn send(&mut self, label: &str, message: &[u8]) {
        let id = self.channel(label).expect("the channel is open");
        assert!(self.rtc.channel(id).unwrap().write(true, message).unwrap());
    }

    /// Sends what it has to send; nothing any more once it is broken.
    fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        if self.error.is_some() {
            self.timeout += Duration::from_secs(3600);
            return datagrams;
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return datagrams;
                }
                Ok(Output::Transmit(transmit)) => datagrams.push(transmit.contents.to_vec()),
                Ok(Output::Event(event)) => self.note(event),
                Err(error) => {
                    self.error.get_or_insert(error.to_string());
                    return datagrams;
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match &event {
            Event::ChannelOpen(id, label) => self.channels.push((*id, label.clone())),
            Event::ChannelData(data) => {
                let channel = self.channels.iter().find(|(id, _)| *id == data.id).unwrap();
                self.messages.push((channel.1.clone(), data.data.to_vec()));
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let receive =
            Receive::new(Protocol::Udp, self.path.local, self.path.remote, datagram).unwrap();
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
            self.error.get_or_insert(error.to_string());
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Connected))
    }
}

impl Client {
    /// Whether the relay said good-bye.
    pub(crate) fn is_closed(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Closed))
    }
}

impl World {
    /// Opens a transport and admits the client to it.
    pub(crate) fn invite(
        &mut self,
        id: u64,
        role: relay_wire::control::DataRole,
        client: &mut Client,
    ) {
        let opened = self.open(id, role);
        let admit = Command::Admit { transport: TransportId(id), remote: client.remote() };
        assert_eq!(self.command(admit), Answer::Done);
        client.start(&opened);
    }

    /// Lets everybody talk for a while over a network without loss or delay.
    pub(crate) fn talk(&mut self, clients: &mut [&mut Client], duration: Duration) {
        let end = self.now + duration;
        for _ in 0..1_000_000 {
            self.exchange(clients);
            let timeouts = clients.iter().map(|client| client.timeout);
            let next = timeouts.chain(self.shard.next_timeout()).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.shard.advance(self.now, &mut self.out);
            self.drain();
            for client in &mut *clients {
                if client.timeout <= self.now {
                    let _ = client.rtc.handle_input(Input::Timeout(self.now));
                }
            }
        }
        panic!("the world never rests");
    }

    fn exchange(&mut self, clients: &mut [&mut Client]) {
        loop {
            let mut replies = Vec::new();
            for client in &mut *clients {
                replies.extend(client.poll().into_iter().map(|datagram| (client.path, datagram)));
            }
            for (path, datagram) in std::mem::take(&mut self.sent) {
                for client in clients.iter_mut().filter(|client| client.path == path) {
                    client.receive(self.now, &datagram);
                    // str0m wants to be polled after each input.
                    replies.extend(client.poll().into_iter().map(|datagram| (path, datagram)));
                }
            }
            if replies.is_empty() {
                return;
            }
            for (path, datagram) in replies {
                self.receive(path, &datagram);
            }
        }
    }
}
