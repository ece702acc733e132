//! LiveKit's signalling from the client's side: protobuf over a WebSocket at `/rtc`.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{
    DisconnectReason, LeaveRequest, Ping, SessionDescription, SignalRequest, SignalResponse,
    leave_request, signal_request, signal_response,
};
use prost::Message as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Time for the server to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that are read at a time: a buffer of this size is cleared for each read.
const READ_BYTES: usize = 4 << 10;
/// Time between pings until the server says how often it wants them.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Where the server is: `ws://HOST:PORT`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::room) struct Target {
    url: String,
    authority: String,
}

impl Target {
    /// Reads `ws://HOST:PORT` or `http://HOST:PORT`, with or without a slash behind it.
    pub(in crate::room) fn parse(url: &str) -> Result<Self> {
        if url.starts_with("wss:") || url.starts_with("https:") {
            bail!(
                "`{url}` asks for TLS, which this client does not speak: take ws:// and its port"
            );
        }
        let authority = url
            .strip_prefix("ws://")
            .or_else(|| url.strip_prefix("http://"))
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'));
        let Some(authority) = authority else {
            bail!("`{url}` is not an address like ws://127.0.0.1:7880");
        };
        let port_given = authority.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let authority = if port_given { authority.to_owned() } else { format!("{authority}:7880") };

        Ok(Self { url: format!("ws://{authority}"), authority })
    }

    /// As `ws://HOST:PORT`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// As `HOST:PORT`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Our own address on the way there.
    pub(in crate::room) async fn local_ip(&self) -> Result<IpAddr> {
        let remote = lookup_host(&self.authority)
            .await
            .with_context(|| format!("cannot find the address of {}", self.authority))?
            .next()
            .with_context(|| format!("{} has no address", self.authority))?;
        let any: SocketAddr =
            if remote.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let probe = UdpSocket::bind(any).await?;
        probe.connect(remote).await?;

        Ok(probe.local_addr()?.ip())
    }
}

/// A WebSocket.
pub(super) type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A signalling line; it pings as often as the server wants.
pub(in crate::room) struct Signal {
    socket: Line,
    ping_interval: Duration,
    next_ping: Instant,
}

impl Signal {
    /// Connects with a token; `auto_subscribe` asks for everybody's tracks.
    pub(in crate::room) async fn connect(
        target: &Target,
        token: &str,
        auto_subscribe: bool,
    ) -> Result<Self> {
        let Target { url, .. } = target;
        let subscribe = u8::from(auto_subscribe);
        let version = env!("CARGO_PKG_VERSION");
        let mut request = format!(
            "{url}/rtc?protocol=16&auto_subscribe={subscribe}&adaptive_stream=0&sdk=rust\
             &version={version}"
        )
        .into_client_request()?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        request.headers_mut().insert("Authorization", bearer);

        Ok(Self {
            socket: open(url, request, "LiveKit's protocol").await?,
            ping_interval: PING_INTERVAL,
            next_ping: Instant::now() + PING_INTERVAL,
        })
    }

    /// Sends a request.
    pub(in crate::room) async fn send(&mut self, message: signal_request::Message) -> Result<()> {
        let request = SignalRequest { message: Some(message) };
        let bytes = request.encode_to_vec();

        self.socket.send(Message::binary(bytes)).await.context("the signalling line broke")
    }

    /// The next message of a kind that this client knows.
    pub(in crate::room) async fn next(&mut self) -> Result<signal_response::Message> {
        loop {
            let frame = tokio::select! {
                frame = self.socket.next() => {
                    frame.context("the server closed the signalling line")?
                }
                () = sleep_until(self.next_ping.into()) => {
                    self.ping().await?;
                    continue;
                }
            };
            let Message::Binary(bytes) = frame.context("the signalling line broke")? else {
                continue;
            };
            let response = SignalResponse::decode(bytes.as_ref())
                .context("the server sent something else than LiveKit's messages")?;
            let Some(message) = response.message else { continue };
            if let signal_response::Message::Join(join) = &message {
                let seconds = u64::try_from(join.ping_interval.max(1)).unwrap_or(5);
                self.ping_interval = Duration::from_secs(seconds);
                self.next_ping = Instant::now() + self.ping_interval;
            }
            return Ok(message);
        }
    }

    async fn ping(&mut self) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = i64::try_from(since.as_millis()).unwrap_or_default();
        self.next_ping = Instant::now() + self.ping_interval;

        self.send(signal_request::Message::PingReq(Ping { timestamp, rtt: 0 })).await
    }

    /// Says that we leave.
    pub(in crate::room) async fn leave(&mut self) -> Result<()> {
        let leave = LeaveRequest {
            reason: DisconnectReason::ClientInitiated.into(),
            action: leave_request::Action::Disconnect.into(),
            ..Default::default()
        };

        self.send(signal_request::Message::Leave(leave)).await
    }
}

/// A session description as LiveKit's messages carry it.
pub(in crate::room) fn description(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: kind.to_owned(), sdp, id, ..Default::default() }
}

/// Opens a WebSocket; errors say what is wrong with a server that should speak `protocol`.
pub(super) async fn open(url: &str, request: Request, protocol: &str) -> Result<Line> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
    match timeout(CONNECT_TIMEOUT, connect_async_with_config(request, Some(config), false)).await {
        Ok(Ok((line, _))) => Ok(line),
        Ok(Err(error)) => Err(explain(url, error, protocol)),
        Err(_) => bail!("{url} did not answer within {} s", CONNECT_TIMEOUT.as_secs()),
    }
}

fn explain(url: &str, error: tungstenite::Error, protocol: &str) -> anyhow::Error {
    match error {
        tungstenite::Error::Io(error) => anyhow!(
            "no server at {url} ({error}): start one with `make run`, or leave --url out and \
             millrace-bench starts its own"
        ),
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let reason = String::from_utf8_lossy(body);
            let status = response.status();
            anyhow!("{url} refused the join: {status} {}", reason.trim())
        }
        error => anyhow!(error).context(format!("{url} does not speak {protocol}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_with_their_port_or_the_usual_one() {
        let parse = |url| Target::parse(url).map(|target| target.url).ok();

        assert_eq!(parse("ws://127.0.0.1:1234").as_deref(), Some("ws://127.0.0.1:1234"));
        assert_eq!(parse("http://[::1]:80/").as_deref(), Some("ws://[::1]:80"));
        assert_eq!(parse("ws://host").as_deref(), Some("ws://host:7880"));
        for wrong in ["127.0.0.1:7880", "wss://host:7443", "ws://", "ws://host/rtc"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
