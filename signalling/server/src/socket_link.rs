//! The control socket of a relay in another process: connected again whenever it is lost.

use crate::link::SocketEvent;
use relay_wire::control::{Hello, Request, Role, VERSION};
use relay_wire::frame;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// First pause after a failed attempt; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Time in which the relay must say its version.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes of requests that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Keeps the link until nobody takes its events any more.
pub(crate) async fn run(path: PathBuf, requests_max: usize, events: mpsc::Sender<SocketEvent>) {
    let mut backoff = BACKOFF_MIN;
    let mut told = false;
    while !events.is_closed() {
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                tracing::info!(socket = %path.display(), "relay found");
                (backoff, told) = (BACKOFF_MIN, false);
                let Some(error) = connection(stream, requests_max, &events).await else {
                    return;
                };
                tracing::warn!(socket = %path.display(), %error, "relay lost");
            }
            Err(error) if !told => {
                told = true;
                log_away(&path, &error);
            }
            Err(_) => {}
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

fn log_away(path: &Path, error: &io::Error) {
    tracing::warn!(socket = %path.display(), %error, "the relay is away; trying until it comes");
}

/// One connection to its end; `None` when the hub is gone.
async fn connection(
    stream: UnixStream,
    requests_max: usize,
    events: &mpsc::Sender<SocketEvent>,
) -> Option<io::Error> {
    let (mut reader, mut writer) = stream.into_split();
    let mut frames = frame::Reader::new();
    let greeting = greet(&mut reader, &mut writer, &mut frames);
    match timeout(HELLO_TIMEOUT, greeting).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Some(error),
        Err(_) => return Some(io::ErrorKind::TimedOut.into()),
    }

    let (sender, requests) = mpsc::channel(requests_max);
    events.send(SocketEvent::Up(sender)).await.ok()?;
    let ended = tokio::select! {
        ended = read(reader, frames, events) => ended,
        ended = write(writer, requests) => ended,
    };
    events.send(SocketEvent::Down).await.ok()?;

    Some(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
}

/// Both sides name their version first, and we say who we are.
async fn greet(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    frames: &mut frame::Reader,
) -> io::Result<()> {
    let mut hello = Vec::new();
    frame::encode(&Hello { version: VERSION }, &mut hello).map_err(io::Error::other)?;
    frame::encode(&Role::Signalling, &mut hello).map_err(io::Error::other)?;
    writer.write_all(&hello).await?;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        if let Some(Hello { version }) = frames.next().map_err(io::Error::other)? {
            let told = format!("the relay speaks version {version}, we speak {VERSION}");
            return if version == VERSION { Ok(()) } else { Err(io::Error::other(told)) };
        }
        match reader.read(&mut bytes).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => frames.push(&bytes[..len]),
        }
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    mut frames: frame::Reader,
    events: &mpsc::Sender<SocketEvent>,
) -> io::Result<()> {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        while let Some(message) = frames.next().map_err(io::Error::other)? {
            if events.send(SocketEvent::Message(message)).await.is_err() {
                return Ok(());
            }
        }
        match reader.read(&mut bytes).await? {
            0 => return Ok(()),
            len => frames.push(&bytes[..len]),
        }
    }
}

/// Writes requests until their sender is gone.
async fn write(
    mut writer: OwnedWriteHalf,
    mut requests: mpsc::Receiver<Request>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(request) = requests.recv().await {
        bytes.clear();
        frame::encode(&request, &mut bytes).map_err(io::Error::other)?;
        while bytes.len() < WRITE_BYTES {
            let Ok(request) = requests.try_recv() else { break };
            frame::encode(&request, &mut bytes).map_err(io::Error::other)?;
        }
        writer.write_all(&bytes).await?;
    }

    Ok(())
}
