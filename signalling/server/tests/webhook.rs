//! Webhooks, to a receiver that is there, fails, stalls, or comes back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{KEY, SECRET, World, config, unix_seconds};
use ring::digest;
use serde_json::{Value, json};
use signalling_server::token::{Claims, Grants, mint, verify};
use signalling_server::{Config, Timing, Webhook};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a receiver got: the head in small letters but for the token, and the body.
struct Got {
    head: String,
    body: Vec<u8>,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn says(&self, event: &str, room: &str) -> bool {
        let told = self.event();
        told["event"] == event && told["room"]["name"] == room
    }
}

/// A web server of a few lines: answers each request with the status that `answer` picks; 0 means
/// never.
struct Receiver {
    address: SocketAddr,
    got: mpsc::UnboundedReceiver<Got>,
    task: JoinHandle<()>,
}

impl Receiver {
    async fn new(answer: impl Fn(&Value) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, None, answer)
    }

    fn on(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Value) -> u16 + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, got) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => receive(stream, &*answer, &sender).await,
                        Some(tls) => {
                            receive(tls.accept(stream).await.unwrap(), &*answer, &sender).await;
                        }
                    }
                });
            }
        });

        Self { address, got, task }
    }

    async fn next(&mut self) -> Got {
        self.got.recv().await.unwrap()
    }
}

async fn receive(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(impl Fn(&Value) -> u16 + ?Sized),
    got: &mpsc::UnboundedSender<Got>,
) {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let request = loop {
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&chunk[..read]);
        if let Some(request) = whole(&bytes) {
            break request;
        }
    };
    let status = answer(&request.event());
    // A test that has seen enough is gone.
    let _ = got.send(request);
    if status == 0 {
        return std::future::pending().await;
    }
    let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nok");
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn whole(bytes: &[u8]) -> Option<Got> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    })?;
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();

    Some(Got { head, body })
}

fn with_webhook(url: &str) -> Config {
    let mut config = config();
    let timing = Timing {
        attempt: Duration::from_secs(2),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        stop: Duration::ZERO,
        ..Timing::default()
    };
    let url = url.parse().unwrap();
    config.webhook = Some(Webhook { url, key: KEY.to_owned(), ca: None, timing });
    config
}

async fn started(receiver: &Receiver) -> World {
    World::with(with_webhook(&format!("http://{}/hook?a=b", receiver.address))).await
}

async fn call(world: &World, method: &str, body: &Value) {
    let video = Grants { room_create: true, ..Grants::default() };
    let claims = Claims { video, ..Claims::default() };
    let token = mint(&claims, KEY, SECRET.as_bytes(), unix_seconds(), 60);
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let target = format!("/twirp/livekit.RoomService/{method}");
    assert_eq!(world.request("POST", &target, &headers, &body.to_string()).await.status, 200);
}

async fn create(world: &World, room: &str) {
    call(world, "CreateRoom", &json!({ "name": room })).await;
}

async fn delete(world: &World, room: &str) {
    call(world, "DeleteRoom", &json!({ "room": room })).await;
}

/// Waits until a metric of webhooks has this value.
async fn until(world: &World, name: &str, value: f64) {
    while world.metric(&format!("millrace_webhook_{name}")).await != Some(value) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_come_signed_in_the_form_of_livekit() {
    let mut receiver = Receiver::new(|_| 200).await;
    let world = started(&receiver).await;
    create(&world, "demo").await;
    let got = receiver.next().await;
    assert!(got.says("room_started", "demo"));
    let lines: Vec<&str> = got.head.lines().collect();
    assert_eq!(lines[0], "POST /hook?a=b HTTP/1.1");
    assert!(lines.contains(&"content-type: application/webhook+json"));
    assert!(lines.contains(&format!("host: {}", receiver.address).as_str()));
    let token = lines.iter().find_map(|line| line.strip_prefix("authorization: ")).unwrap();
    let claims = verify(token, |key| (key == KEY).then_some(SECRET), unix_seconds()).unwrap();
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, &got.body));
    assert_eq!((claims.iss.as_str(), claims.sha256), (KEY, hash));
    assert!(claims.exp.unwrap().abs_diff(unix_seconds() + 300) < 60);

    delete(&world, "demo").await;
    assert!(receiver.next().await.says("room_finished", "demo"));
    until(&world, "delivered_total", 2.0).await;
    until(&world, "pending", 0.0).await;
}

#[tokio::test]
async fn a_failing_receiver_gets_the_same_event_again_and_holds_up_only_its_room() {
    let failures = std::sync::atomic::AtomicU32::new(0);
    let fails = move |event: &Value| {
        let slow = event["room"]["name"] == "slow";
        let early = slow && failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 20;
        if early { 503 } else { 200 }
    };
    let mut receiver = Receiver::new(fails).await;
    let world = started(&receiver).await;
    create(&world, "slow").await;
    let first = receiver.next().await.event();
    delete(&world, "slow").await;
    create(&world, "quick").await;

    let (mut attempts, mut order, mut quick_after) = (1, vec![], 0);
    while order.len() < 2 {
        let got = receiver.next().await;
        if got.says("room_started", "quick") {
            quick_after = attempts;
        } else if got.says("room_started", "slow") {
            attempts += 1;
            assert_eq!(got.event()["id"], first["id"]);
            if attempts == 21 {
                order.push("room_started");
            }
        } else {
            assert!(got.says("room_finished", "slow"));
            order.push("room_finished");
        }
    }
    assert_eq!((order, attempts), (vec!["room_started", "room_finished"], 21));
    assert!(quick_after > 0, "the other room did not wait");
    until(&world, "retries_total", 20.0).await;
}

#[tokio::test]
async fn a_receiver_that_refuses_is_given_up_and_the_next_event_comes() {
    let refuses = |event: &Value| if event["event"] == "room_started" { 403 } else { 204 };
    let mut receiver = Receiver::new(refuses).await;
    let world = started(&receiver).await;
    create(&world, "demo").await;
    delete(&world, "demo").await;
    for _ in 0..5 {
        assert!(receiver.next().await.says("room_started", "demo"));
    }
    assert!(receiver.next().await.says("room_finished", "demo"));
    until(&world, "failed_total", 1.0).await;
    until(&world, "delivered_total", 1.0).await;
}

#[tokio::test]
async fn a_receiver_that_stalls_is_tried_again() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let stalls = move |_: &Value| match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => 0,
        1 => 429,
        _ => 200,
    };
    let mut receiver = Receiver::new(stalls).await;
    let mut config = with_webhook(&format!("http://{}/", receiver.address));
    config.webhook.as_mut().unwrap().timing.attempt = Duration::from_millis(100);
    let world = World::with(config).await;
    create(&world, "demo").await;
    for _ in 0..3 {
        assert!(receiver.next().await.says("room_started", "demo"));
    }
    until(&world, "delivered_total", 1.0).await;
}

#[tokio::test]
async fn what_was_not_delivered_is_delivered_after_a_restart() {
    let receiver = Receiver::new(|_| 500).await;
    let address = receiver.address;
    let world = started(&receiver).await;
    create(&world, "demo").await;
    until(&world, "pending", 1.0).await;
    // Nobody listens any more: neither to the event nor to the end of its room.
    receiver.task.abort();
    let _ = receiver.task.await;
    let data = world.data.clone();
    world.stop().await.unwrap();

    let listener = TcpListener::bind(address).await.unwrap();
    let mut receiver = Receiver::on(listener, None, |_| 200);
    let mut config = with_webhook(&format!("http://{address}/"));
    config.data = data.clone();
    let world = World::with(config.clone()).await;
    assert!(receiver.next().await.says("room_started", "demo"));
    assert!(receiver.next().await.says("room_finished", "demo"));
    until(&world, "pending", 0.0).await;
    world.stop().await.unwrap();

    let world = World::with(config).await;
    create(&world, "other").await;
    assert!(receiver.next().await.says("room_started", "other"), "nothing comes twice");
    drop(world);
}

#[tokio::test]
async fn https_receivers_are_verified() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = TlsAcceptor::from(Arc::new(tls));
    let mut receiver = Receiver::on(listener, Some(tls), |_| 200);
    let mut config = with_webhook(&format!("https://localhost:{}/", receiver.address.port()));
    std::fs::create_dir_all(&config.data).unwrap();
    let ca = config.data.join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    config.webhook.as_mut().unwrap().ca = Some(ca);
    let world = World::with(config).await;
    create(&world, "demo").await;
    assert!(receiver.next().await.says("room_started", "demo"));
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_named() {
    let mut config = with_webhook("http://127.0.0.1:1/");
    config.webhook.as_mut().unwrap().key = "nobody".to_owned();
    let error = signalling_server::bind(config).err().unwrap().to_string();
    assert!(error.starts_with("webhook.key = \"nobody\""), "{error}");
}
