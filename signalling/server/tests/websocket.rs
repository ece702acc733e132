//! `/rtc` as a client sees it: the WebSocket and its bounds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{World, config, token};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::signal_response::Message as Said;
use livekit_protocol::{DisconnectReason, SignalResponse};
use prost::Message as _;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn join(world: &World, identity: &str) -> Socket {
    let mut socket = connect_async(world.url(&token(identity))).await.unwrap().0;
    assert!(matches!(heard(&mut socket).await, Some(Said::Join(_))));
    socket
}

/// The next message of the server; `None` when it closes.
async fn heard(socket: &mut Socket) -> Option<Said> {
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(bytes) => return SignalResponse::decode(&bytes[..]).unwrap().message,
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

async fn closed(socket: &mut Socket) -> Option<CloseCode> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(frame) = message {
            return frame.map(|frame| frame.code);
        }
    }
    None
}

#[tokio::test]
async fn the_first_message_is_the_join_response() {
    let world = World::new().await;
    let _ann = join(&world, "ann").await;
    assert!(!world.requests.lock().unwrap().is_empty());
    assert_eq!(world.metric("millrace_signalling_websockets").await, Some(1.0));
    assert_eq!(world.metric("millrace_signalling_participants").await, Some(1.0));
}

#[tokio::test]
async fn an_oversized_message_ends_the_connection_with_a_reason() {
    let mut config = config();
    config.limits.message_bytes = 1_000;
    let world = World::with(config).await;
    let mut ann = join(&world, "ann").await;
    ann.send(Message::Binary(vec![0; 2_000].into())).await.unwrap();
    assert_eq!(closed(&mut ann).await, Some(CloseCode::Size));
    let name = r#"millrace_signalling_limit_hits_total{limit="message_bytes"}"#;
    assert_eq!(world.metric(name).await, Some(1.0));
}

#[tokio::test]
async fn text_and_empty_messages_are_counted_and_do_no_harm() {
    let world = World::new().await;
    let mut ann = join(&world, "ann").await;
    ann.send(Message::Text("hello".into())).await.unwrap();
    ann.send(Message::Binary(Vec::new().into())).await.unwrap();
    while world.metric("millrace_signalling_frames_malformed_total").await != Some(2.0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.metric("millrace_signalling_websockets").await, Some(1.0));
}

#[tokio::test]
async fn a_message_that_is_not_protobuf_is_counted() {
    let world = World::new().await;
    let mut ann = join(&world, "ann").await;
    ann.send(Message::Binary(vec![0xff; 40].into())).await.unwrap();
    while world.metric("millrace_signalling_malformed_total").await != Some(1.0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let mut config = config();
    config.limits.client_silence = Duration::from_millis(100);
    let world = World::with(config).await;
    // Reading a ping would answer it: wait for the counter first.
    let mut ann = join(&world, "ann").await;
    let name = r#"millrace_signalling_limit_hits_total{limit="client_silence"}"#;
    while world.metric(name).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(closed(&mut ann).await, Some(CloseCode::Policy));
}

#[tokio::test]
async fn a_client_that_does_not_keep_up_is_let_go() {
    let mut config = config();
    config.limits.client_queue_bytes = 10;
    let world = World::with(config).await;
    let mut ann = connect_async(world.url(&token("ann"))).await.unwrap().0;
    assert_eq!(closed(&mut ann).await, Some(CloseCode::Policy));
    let name = r#"millrace_signalling_limit_hits_total{limit="client_queue_bytes"}"#;
    assert_eq!(world.metric(name).await, Some(1.0));
}

#[tokio::test]
async fn at_the_end_everybody_is_told_to_leave() {
    let world = World::new().await;
    let mut ann = join(&world, "ann").await;
    let stopping = tokio::spawn(world.stop());
    let leave = loop {
        match heard(&mut ann).await.unwrap() {
            Said::Leave(leave) => break leave,
            _ => continue,
        }
    };
    assert_eq!(leave.reason(), DisconnectReason::ServerShutdown);
    assert!(heard(&mut ann).await.is_none());
    stopping.await.unwrap().unwrap();
}
