//! SIGHUP: reads the configuration again and applies what can be applied without dropping anybody.

use crate::config::{Config, ConfigError};
use crate::notify;
use crate::turn::Turn;
use signalling_server::HttpsCertificate;
use std::path::PathBuf;
use std::sync::Arc;

/// Keys, and sections that end in a dot, that are applied while we run.
const LIVE: [&str; 3] = ["turn.", "tls.cert", "tls.key"];
/// The exception: its ports are opened at start.
const OPENED_AT_START: &str = "turn.tls_listen";

/// Where the configuration comes from.
#[derive(Clone)]
pub(crate) struct Source {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// Each `--set`.
    pub(crate) sets: Vec<String>,
}

impl Source {
    /// Reads it.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.file.as_deref(), &self.sets)
    }
}

/// What this process runs by, and what can be changed of it.
pub(crate) struct Reload {
    source: Source,
    /// As at start: what needs a restart is compared with it.
    started: Config,
    current: Config,
    /// Sections of other processes, which read the same file.
    foreign: &'static [&'static str],
    turn: Option<Arc<Turn>>,
    https: Option<Arc<HttpsCertificate>>,
}

impl Reload {
    /// For `millrace serve`.
    pub(crate) fn of_serve(
        source: Source,
        config: &Config,
        turn: Arc<Turn>,
        https: Option<Arc<HttpsCertificate>>,
    ) -> Self {
        Self::new(source, config, &["metrics.listen"], Some(turn), https)
    }

    /// For `millrace relay`.
    pub(crate) fn of_relay(source: Source, config: &Config, turn: Arc<Turn>) -> Self {
        let foreign = &["http.", "keys.", "page.", "node.", "stun."];
        Self::new(source, config, foreign, Some(turn), None)
    }

    /// For `millrace signalling`.
    pub(crate) fn of_signalling(
        source: Source,
        config: &Config,
        https: Option<Arc<HttpsCertificate>>,
    ) -> Self {
        Self::new(source, config, &["media.", "turn."], None, https)
    }

    /// For `millrace recorder`.
    pub(crate) fn of_recorder(source: Source, config: &Config) -> Self {
        let foreign =
            &["control.", "http.", "keys.", "media.", "page.", "stun.", "tls.", "turn.", "xdp."];
        Self::new(source, config, foreign, None, None)
    }

    fn new(
        source: Source,
        config: &Config,
        foreign: &'static [&'static str],
        turn: Option<Arc<Turn>>,
        https: Option<Arc<HttpsCertificate>>,
    ) -> Self {
        let (started, current) = (config.clone(), config.clone());
        Self { source, started, current, foreign, turn, https }
    }

    /// Reads the configuration and applies it; a broken one changes nothing. The log tells.
    pub(crate) fn run(&mut self) {
        notify::reloading();
        match self.source.load() {
            Ok(newer) => self.apply(newer),
            Err(error) => {
                tracing::error!(%error, "SIGHUP: this configuration is broken, the old one stays");
            }
        }
        notify::tell("READY=1");
    }

    fn apply(&mut self, newer: Config) {
        let certificate = match newer.certificate() {
            Ok(certificate) => certificate,
            Err(error) => {
                return tracing::error!(%error, "SIGHUP: the old configuration stays");
            }
        };
        if let Some(https) = &self.https {
            match https.reload(certificate.as_ref()) {
                Ok(true) => tracing::info!("SIGHUP: HTTPS has a new certificate"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "SIGHUP: HTTPS keeps its certificate"),
            }
        }
        if let Some(turn) = &self.turn
            && let Err(error) = turn.reconfigure(&newer)
        {
            return tracing::error!(%error, "SIGHUP: TURN keeps its old configuration");
        }
        let ours = |key: &String| !self.foreign.iter().any(|section| key.starts_with(section));
        let (live, changed) = (self.current.changes(&newer), self.started.changes(&newer));
        let live: Vec<_> = live.into_iter().filter(|key| ours(key) && is_live(key)).collect();
        let cold: Vec<_> = changed.into_iter().filter(|key| ours(key) && !is_live(key)).collect();
        // Keys only: values may be secrets.
        tracing::info!(changed = %live.join(", "), "SIGHUP: the configuration is applied");
        if !cold.is_empty() {
            tracing::warn!(keys = %cold.join(", "), "SIGHUP: these changes need a restart");
        }
        self.current = newer;
    }
}

fn is_live(key: &String) -> bool {
    key != OPENED_AT_START && LIVE.iter().any(|live| key.starts_with(live))
}
