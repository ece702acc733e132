//! The way to the relay: in this process, or over its control socket.

use crate::metrics::Metrics;
use crate::socket_link;
use relay_wire::control::{Message, Request};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Requests that wait for the control socket; when full, the link counts as lost.
const REQUESTS_MAX: usize = 16_384;
/// Messages of the relay that wait for the hub; then the socket is not read from.
const MESSAGES_MAX: usize = 4_096;

/// How the relay is reached.
pub enum Link {
    /// The relay runs in this process.
    Embedded {
        /// Hands a request to the relay; never blocks.
        send: Arc<dyn Fn(Request) + Send + Sync>,
        /// What the relay says; its end is the relay's end.
        receive: mpsc::Receiver<Message>,
    },
    /// The relay listens on this Unix socket; connected again whenever it is lost.
    Socket(PathBuf),
}

/// What comes over the link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The relay is there.
    Up,
    /// The relay is not there (any more).
    Down,
    /// The relay said something.
    Message(Message),
    /// The relay will not come back.
    Ended,
}

/// A started link.
pub(crate) enum Relay {
    /// See `Link::Embedded`.
    Embedded {
        /// Whether `Up` was told.
        announced: bool,
        send: Arc<dyn Fn(Request) + Send + Sync>,
        receive: mpsc::Receiver<Message>,
    },
    /// The ends of the socket's task.
    Socket { requests: Option<mpsc::Sender<Request>>, events: mpsc::Receiver<SocketEvent> },
}

/// What the socket's task tells.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// Connected; requests go here until `Down`.
    Up(mpsc::Sender<Request>),
    /// Lost.
    Down,
    /// The relay said something.
    Message(Message),
}

impl Relay {
    /// Starts the link; must be called in a tokio runtime.
    pub(crate) fn start(link: Link) -> Self {
        match link {
            Link::Embedded { send, receive } => Self::Embedded { announced: false, send, receive },
            Link::Socket(path) => {
                let (events, receiver) = mpsc::channel(MESSAGES_MAX);
                tokio::spawn(socket_link::run(path, REQUESTS_MAX, events));
                Self::Socket { requests: None, events: receiver }
            }
        }
    }

    /// The next event; may be cancelled without loss.
    pub(crate) async fn next(&mut self) -> LinkEvent {
        match self {
            Self::Embedded { announced, receive, .. } => {
                if !*announced {
                    *announced = true;
                    return LinkEvent::Up;
                }
                receive.recv().await.map_or(LinkEvent::Ended, LinkEvent::Message)
            }
            Self::Socket { requests, events } => match events.recv().await {
                Some(SocketEvent::Up(sender)) => {
                    *requests = Some(sender);
                    LinkEvent::Up
                }
                Some(SocketEvent::Down) => {
                    *requests = None;
                    LinkEvent::Down
                }
                Some(SocketEvent::Message(message)) => LinkEvent::Message(message),
                None => LinkEvent::Ended,
            },
        }
    }

    /// Sends a request. While the relay is away it is dropped: `Event::Reset` has told, or will
    /// tell, the switchboard that nothing of it stands.
    pub(crate) fn send(&mut self, request: Request, metrics: &Metrics) {
        match self {
            Self::Embedded { send, .. } => send(request),
            Self::Socket { requests, .. } => {
                let Some(sender) = requests else {
                    return;
                };
                if sender.try_send(request).is_err() {
                    // Without its sender the socket's task closes the connection and says `Down`.
                    *requests = None;
                    metrics.limit("relay_requests");
                }
            }
        }
    }
}
