//! The relay's TURN service as this process runs it: what signalling is told of it, what
//! operators ask, and what a changed configuration does to it.

pub(crate) mod table;
mod urls;

use crate::access::{kept_secret, random_secret};
use crate::config::{Config, ConfigError};
use relay_server::control::{Allocation, Event, Message, Operations, Selector, TurnService};
use relay_server::{Advertise, AllocationInfo, Events, Relay, RelayHandle, TurnSettings, Via};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The secret of TURN where allocations outlive the process, in the data directory.
const SECRET_FILE: &str = "turn-secret";

/// TURN's settings before the relay starts.
pub(crate) struct Prepared {
    settings: TurnSettings,
    random: String,
}

/// TURN of a running relay.
pub(crate) struct Turn {
    relay: RelayHandle,
    events: Events,
    candidates: Vec<SocketAddr>,
    tls_listen: Vec<SocketAddr>,
    development: bool,
    random: String,
    settings: Mutex<TurnSettings>,
}

impl Prepared {
    /// The configured settings, and a secret that nobody else knows.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let random = secret(config)?;
        let settings = settings(config, &random)?;

        Ok(Self { settings, random })
    }

    /// What the relay is to be started with.
    pub(crate) fn settings(&self) -> TurnSettings {
        self.settings.clone()
    }

    /// Tells signalling of the TURN service of the relay that was started.
    pub(crate) fn serve(
        self,
        config: &Config,
        development: bool,
        relay: &Relay,
        events: Events,
    ) -> Turn {
        let Self { settings, random } = self;
        let turn = Turn {
            relay: relay.handle(),
            events,
            candidates: relay.candidates().to_vec(),
            tls_listen: relay.tls_listen().to_vec(),
            development,
            random,
            settings: Mutex::new(settings),
        };
        turn.announce(&config.media_advertise);

        turn
    }
}

impl Turn {
    /// Applies a newer configuration; whoever relays goes on. A drained relay stays so.
    pub(crate) fn reconfigure(&self, config: &Config) -> anyhow::Result<()> {
        let newer = settings(config, &self.random)?;
        let mut settings = self.settings();
        let newer = TurnSettings { drain: settings.drain, ..newer };
        self.relay.reconfigure_turn(&newer)?;
        *settings = newer;
        drop(settings);
        self.announce(&config.media_advertise);

        Ok(())
    }

    /// Tells signalling where TURN is, and the secret for its clients' credentials.
    fn announce(&self, advertise: &[Advertise]) {
        let settings = self.settings();
        let tls = (&self.tls_listen[..], settings.hostname.as_deref());
        let urls = urls::urls(&self.candidates, advertise, tls, self.development);
        let secret = settings.secrets.first().cloned().unwrap_or_default();
        drop(settings);
        (self.events)(Message::Event(Event::Turn(TurnService { urls, secret })));
    }

    fn settings(&self) -> MutexGuard<'_, TurnSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operations for Turn {
    fn allocations(&self, which: Option<&Selector>) -> Result<Vec<Allocation>, String> {
        let which = which.map(selector);

        Ok(self.relay.allocations(which.as_ref()).into_iter().map(allocation).collect())
    }

    fn kick(&self, which: &Selector) -> Result<u64, String> {
        let count = self.relay.kick(&selector(which)) as u64;
        tracing::info!(count, "an operator ended allocations");

        Ok(count)
    }

    fn drain(&self, on: bool) -> Result<u64, String> {
        let mut settings = self.settings();
        let newer = TurnSettings { drain: on, ..settings.clone() };
        self.relay.reconfigure_turn(&newer).map_err(|error| error.to_string())?;
        *settings = newer;
        drop(settings);
        tracing::info!(on, "an operator drains TURN");

        Ok(self.relay.allocations(None).len() as u64)
    }
}

fn selector(which: &Selector) -> relay_server::Selector {
    match which {
        Selector::Id(id) => relay_server::Selector::Id(*id),
        Selector::User(name) => relay_server::Selector::User(name.clone()),
        Selector::Address(ip) => relay_server::Selector::Address(*ip),
    }
}

fn allocation(info: AllocationInfo) -> Allocation {
    Allocation {
        id: info.id,
        user: info.user,
        client: info.client.remote,
        stream: info.client.via == Via::Tcp,
        relayed: info.relayed,
        permissions: u32::try_from(info.permissions).unwrap_or(u32::MAX),
        channels: u32::try_from(info.channels).unwrap_or(u32::MAX),
        expires_in_seconds: info.expires_in.as_secs(),
        sent_packets: info.sent.0,
        sent_bytes: info.sent.1,
        received_packets: info.received.0,
        received_bytes: info.received.1,
    }
}

/// A secret that nobody else knows. The kernel relays while the process is restarted: then nonces
/// and credentials must be good afterwards too, and the secret is kept.
fn secret(config: &Config) -> Result<String, ConfigError> {
    if config.xdp.interfaces.is_empty() {
        return Ok(random_secret());
    }

    kept_secret(&config.data, SECRET_FILE).map_err(|error| ConfigError::Contradiction {
        key: "data.directory",
        problem: format!(
            "{}: {error}; TURN's secret is kept there for xdp.interface: make it writable",
            config.data.display()
        ),
    })
}

/// The configured settings. The secret of this start stands behind the configured ones, so that
/// credentials made with it stay good when the operator sets the first one.
fn settings(config: &Config, random: &str) -> anyhow::Result<TurnSettings> {
    let mut settings = config.turn.clone();
    settings.secrets.push(random.to_owned());
    settings.tls_files = config.certificate()?.map(|files| (files.certificate, files.key));

    Ok(settings)
}
