//! The relay's TURN service as this process runs it: what signalling is told of it, what
//! operators ask, and what a changed configuration does to it.

pub(crate) mod table;
mod urls;

use crate::config::Config;
use rand::Rng;
use rand::distr::Alphanumeric;
use relay_server::control::{Allocation, Event, Message, Operations, Selector, TurnService};
use relay_server::{Advertise, Events, Relay, TurnSettings};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Characters of a secret that is made at start: 256 random bits.
const SECRET_CHARACTERS: usize = 43;

/// TURN's settings before the relay starts.
pub(crate) struct Prepared {
    settings: TurnSettings,
    random: String,
}

/// TURN of a running relay.
pub(crate) struct Turn {
    events: Events,
    candidates: Vec<SocketAddr>,
    development: bool,
    random: String,
    settings: Mutex<TurnSettings>,
}

impl Prepared {
    /// The configured settings, and a secret that nobody else knows.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let random = rand::rng().sample_iter(&Alphanumeric).take(SECRET_CHARACTERS);
        let random: String = random.map(char::from).collect();
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
            events,
            candidates: relay.candidates().to_vec(),
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
        *settings = TurnSettings { drain: settings.drain, ..newer };
        drop(settings);
        self.announce(&config.media_advertise);

        Ok(())
    }

    fn announce(&self, advertise: &[Advertise]) {
        let settings = self.settings();
        let urls = urls::urls(&self.candidates, advertise, &settings, self.development);
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
        let _ = which;
        Err("not there yet".to_owned())
    }

    fn kick(&self, which: &Selector) -> Result<u64, String> {
        let _ = which;
        Err("not there yet".to_owned())
    }

    fn drain(&self, on: bool) -> Result<u64, String> {
        self.settings().drain = on;
        Err("not there yet".to_owned())
    }
}

/// The configured settings. The secret of this start stands behind the configured ones, so that
/// credentials made with it stay good when the operator sets the first one.
fn settings(config: &Config, random: &str) -> anyhow::Result<TurnSettings> {
    let mut settings = config.turn.clone();
    settings.secrets.push(random.to_owned());
    settings.tls_files = config.certificate()?.map(|files| (files.certificate, files.key));

    Ok(settings)
}
