//! STUN over TCP (RFC 8489, section 6.2.2): a bounded number of connections, each for a while.

use super::{REQUEST_MAX, Service, parse};
use relay_wire::stream::Framing;
use relay_wire::stun::binding::ANSWER_MAX;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections at once; one more is closed.
const CONNECTIONS_MAX: usize = 1_024;
/// Silence that ends a connection, and the time in which an answer must be taken.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Places for connections, on all addresses together.
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS_MAX)))
    }
}

/// Accepts for ever; its end ends the connections too.
pub(super) async fn accept(listener: TcpListener, service: Arc<Service>, streams: Arc<Streams>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, remote)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&streams.0).try_acquire_owned() else {
            service.counters.dropped.inc();
            continue;
        };
        let service = Arc::clone(&service);
        connections.spawn(async move {
            serve(stream, remote, &service).await;
            drop(place);
        });
    }
}

/// Answers request after request; whatever is none ends the connection.
async fn serve(mut stream: TcpStream, remote: SocketAddr, service: &Service) {
    let mut bytes = [0; REQUEST_MAX];
    let mut filled = 0;
    let mut buffer = [0; ANSWER_MAX + REQUEST_MAX];
    loop {
        let Ok(Ok(len @ 1..)) = timeout(SILENCE_MAX, stream.read(&mut bytes[filled..])).await
        else {
            return;
        };
        filled += len;
        loop {
            let frame = match Framing::Turn.next(&bytes[..filled], REQUEST_MAX) {
                Ok(Some(frame)) => frame,
                // What fills the buffer and is not whole never will be.
                Ok(None) if filled < bytes.len() => break,
                Ok(None) | Err(_) => return service.counters.dropped.inc(),
            };
            let request = parse(&bytes[frame.message]);
            let answer =
                request.and_then(|request| service.responder.stream(&request, remote, &mut buffer));
            let Some(len) = answer else { return service.counters.dropped.inc() };
            let written = timeout(SILENCE_MAX, stream.write_all(&buffer[..len])).await;
            if !matches!(written, Ok(Ok(()))) {
                return service.counters.dropped.inc();
            }
            service.counters.count(&buffer[..len]);
            bytes.copy_within(frame.consumed..filled, 0);
            filled -= frame.consumed;
        }
    }
}
