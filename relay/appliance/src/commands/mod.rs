//! The subcommands.

mod announce;
mod doctor;
mod embedded;
mod recorder;
mod relay;
mod serve;
mod signalling;
mod token;
mod turn;

use crate::access::Access;
use crate::cli::{Cli, Command, TokenCommand};
use crate::config::{Config, ConfigError};
use crate::logging;
use crate::reload::Source;
use crate::turn::Prepared;
use anyhow::Context;
use signalling_server::{StunConfig, Timing, Webhook};
use std::future::Future;
use std::io::{self, ErrorKind, Write};

/// An API secret should be as long as the hash that it keys.
const SECRET_BYTES: usize = 32;

/// Does what the command line asks for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let file = match &cli.command {
        Command::CheckConfig { file } => Some(file.clone()),
        _ => cli.settings.config.clone(),
    };
    let source = Source { file, sets: cli.settings.sets };
    let config = source.load()?;
    let log = || logging::start(config.log_json, cli.settings.log.as_deref());
    match cli.command {
        Command::Turn(command) => turn::run(&config, command),
        Command::Recorder { command: Some(command) } => recorder::run(&config, command),
        Command::Recorder { command: None } => {
            log()?;
            block_on(recorder::serve(source, &config))
        }
        Command::Token(TokenCommand::Create(args)) => token::create(&config, &args),
        Command::Doctor { json } => doctor::run(&config, json),
        Command::CheckConfig { file } => {
            println!("{}: OK", file.display());
            Ok(())
        }
        Command::Serve => {
            log()?;
            block_on(serve::run(source, &config, &checked(&config)?))
        }
        Command::Relay { detach: true } => relay::detach(&config),
        Command::Relay { detach: false } => {
            log()?;
            block_on(relay::run(source, &config))
        }
        Command::Signalling => {
            log()?;
            block_on(signalling::run(source, &config, &checked(&config)?))
        }
    }
}

/// Addresses and keys, with a warning about secrets that can be guessed.
fn checked(config: &Config) -> Result<Access, ConfigError> {
    for (name, _) in config.keys.iter().filter(|(_, secret)| secret.len() < SECRET_BYTES) {
        tracing::warn!("keys.{name} has a short secret: `openssl rand -hex 32` makes a good one");
    }

    Access::of(config)
}

/// The web server's configuration.
fn web(config: &Config, access: &Access) -> Result<signalling_server::Config, ConfigError> {
    let switchboard = signalling_server::SwitchboardConfig {
        node: config.node_name.clone(),
        region: config.node_region.clone(),
        record_rooms: config.recording.auto,
        ..signalling_server::SwitchboardConfig::default()
    };

    Ok(signalling_server::Config {
        listen: access.http,
        tls_listen: access.tls,
        // In development on loopback nobody needs HTTPS, and nobody asked for this port.
        tls_optional: access.development
            && config.http_tls_listen.is_none()
            && access.http.ip().is_loopback(),
        metrics_listen: None,
        certificate: config.certificate()?,
        keys: access.keys.clone(),
        development: access.development,
        guests: config.guests,
        guests_moderate: access.is_public(),
        guest_key: access.key.clone(),
        webhook: webhook(config, access)?,
        data: config.data.clone(),
        metrics_allow: config.metrics_allow.clone(),
        stun: stun(config),
        switchboard,
        limits: signalling_server::Limits::default(),
    })
}

fn stun(config: &Config) -> StunConfig {
    let public = config.media_advertise.iter().map(|address| (address.public, address.local));

    StunConfig { listen: config.stun_listen.clone(), public: public.collect() }
}

/// Who is told what happens in rooms; the first key signs unless another is named.
fn webhook(config: &Config, access: &Access) -> Result<Option<Webhook>, ConfigError> {
    let contradiction = |key, problem: &str| {
        let problem = problem.to_owned();
        Err(ConfigError::Contradiction { key, problem })
    };
    let Some(url) = config.webhook_url.clone() else {
        return match (&config.webhook_key, &config.webhook_ca) {
            (Some(_), _) => contradiction("webhook.key", "is set, but webhook.url is not"),
            (None, Some(_)) => contradiction("webhook.ca", "is set, but webhook.url is not"),
            (None, None) => Ok(None),
        };
    };
    let key = config.webhook_key.clone().unwrap_or_else(|| access.key.clone());
    if !access.keys.contains_key(&key) {
        return contradiction("webhook.key", "names no API key: set keys.NAME, or name another");
    }
    let (ca, timing) = (config.webhook_ca.clone(), Timing::default());

    Ok(Some(Webhook { url, key, ca, timing }))
}

/// The media plane's configuration.
fn media(
    config: &Config,
    development: bool,
    turn: &Prepared,
) -> Result<relay_server::Config, ConfigError> {
    Ok(relay_server::Config {
        listen: config.media_listen.clone(),
        advertise: config.media_advertise.clone(),
        development,
        io: config.media_io,
        shards: config.media_shards,
        dtls: config.media_dtls,
        data_directory: config.data.clone(),
        recording_directory: config.recording.directory(&config.data),
        limits: relay_server::Limits::default(),
        streams: relay_server::StreamLimits::default(),
        turn: turn.settings(),
        xdp: (!config.xdp.interfaces.is_empty()).then(|| config.xdp.clone()),
        steer: config.steer()?,
    })
}

/// A reader that has seen enough, as `head`, is no error.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn block_on(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("signalling")
        .build()
        .context("cannot start the runtime")?;

    runtime.block_on(future)
}
