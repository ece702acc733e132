//! LiveKit's signalling from the client's side: protobuf over a WebSocket at `/rtc`.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{SignalRequest, SignalResponse, signal_request, signal_response};
use prost::Message as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Time for the server to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server is: `ws://HOST:PORT`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    url: String,
    authority: String,
}

impl Target {
    /// Reads `ws://HOST:PORT` or `http://HOST:PORT`, with or without a slash behind it.
    pub(super) fn parse(url: &str) -> Result<Self> {
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

    /// Our own address on the way there.
    pub(super) async fn local_ip(&self) -> Result<IpAddr> {
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

/// A signalling line.
pub(super) struct Signal(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Signal {
    /// Connects with a token; `auto_subscribe` asks for everybody's tracks.
    pub(super) async fn connect(
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

        match timeout(CONNECT_TIMEOUT, connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Self(socket)),
            Ok(Err(error)) => Err(explain(url, error)),
            Err(_) => bail!("{url} did not answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, message: signal_request::Message) -> Result<()> {
        let request = SignalRequest { message: Some(message) };
        let bytes = request.encode_to_vec();

        self.0.send(Message::binary(bytes)).await.context("the signalling line broke")
    }

    /// The next message of a kind that this client knows.
    pub(super) async fn next(&mut self) -> Result<signal_response::Message> {
        loop {
            let frame = self.0.next().await.context("the server closed the signalling line")?;
            let Message::Binary(bytes) = frame.context("the signalling line broke")? else {
                continue;
            };
            let response = SignalResponse::decode(bytes.as_ref())
                .context("the server sent something else than LiveKit's messages")?;
            if let Some(message) = response.message {
                return Ok(message);
            }
        }
    }
}

fn explain(url: &str, error: tungstenite::Error) -> anyhow::Error {
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
        error => anyhow!(error).context(format!("{url} does not speak LiveKit's protocol")),
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
