//! The control socket of a relay in another process: connected again whenever it is lost.

use crate::link::SocketEvent;
use relay_wire::control::Request;
use relay_wire::frame;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// First pause after a failed attempt; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
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
                tracing::info!(socket = %path.display(), "relay connected");
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
    tracing::warn!(socket = %path.display(), %error, "the relay is away; trying again until it comes");
}

/// One connection to its end; `None` when the hub is gone.
async fn connection(
    stream: UnixStream,
    requests_max: usize,
    events: &mpsc::Sender<SocketEvent>,
) -> Option<io::Error> {
    let (reader, writer) = stream.into_split();
    let (sender, requests) = mpsc::channel(requests_max);
    events.send(SocketEvent::Up(sender)).await.ok()?;
    let ended = tokio::select! {
        ended = read(reader, events) => ended,
        ended = write(writer, requests) => ended,
    };
    let error = ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
    events.send(SocketEvent::Down).await.ok()?;

    Some(error)
}

async fn read(
    mut reader: OwnedReadHalf,
    events: &mpsc::Sender<SocketEvent>,
) -> io::Result<()> {
    let mut frames = frame::Reader::new();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let len = reader.read(&mut bytes).await?;
        if len == 0 {
            return Ok(());
        }
        frames.push(&bytes[..len]);
        while let Some(message) = frames.next().map_err(io::Error::other)? {
            if events.send(SocketEvent::Message(message)).await.is_err() {
                return Ok(());
            }
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
