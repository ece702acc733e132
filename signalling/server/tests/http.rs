//! The page, monitoring, limits and TLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{World, answer, config, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use signalling_server::bind;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_page_comes_with_its_type_its_policy_and_a_tag() {
    let world = World::new().await;
    let page = world.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.has("content-type: text/html; charset=utf-8"));
    assert!(page.has("cache-control: no-cache") && page.has("x-content-type-options: nosniff"));
    let policy =
        page.head.lines().find(|line| line.starts_with("content-security-policy")).unwrap();
    assert!(policy.contains("connect-src 'self' ws: wss:") && !policy.contains("unsafe-inline"));

    let etag = page.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = format!("If-None-Match: \"other\", {etag}\r\n");
    let again = world.request("GET", "/index.html", &known, "").await;
    assert!(again.status == 304 && again.body.is_empty());
    assert_eq!(world.request("POST", "/", "", "").await.status, 405);
    assert_eq!(world.get("/../Cargo.toml").await.status, 404);
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_class() {
    let world = World::new().await;
    world.get("/rtc/validate").await;
    let name = r#"millrace_signalling_http_requests_total{class="4xx",route="/rtc/validate"}"#;
    assert_eq!(world.metric(name).await, Some(1.0));
    assert_eq!(world.metric("millrace_signalling_relay_up").await, Some(1.0));
    assert_eq!(world.metric("millrace_signalling_join_seconds_count").await, Some(0.0));
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let world = World::new().await;
    let answer = world.get(&format!("/{}", "x".repeat(70_000))).await;
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    let headers: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_eq!(world.request("GET", "/healthz", &headers, "").await.status, 431);
    assert_eq!(world.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn garbage_is_answered_counted_and_forgotten() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.http).await.unwrap();
    stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").await.unwrap();
    assert_eq!(answer(stream).await.status, 400);
    let name = r#"millrace_signalling_http_failures_total{kind="malformed"}"#;
    assert_eq!(world.metric(name).await, Some(1.0));
}

#[tokio::test]
async fn a_slow_client_is_cut_off() {
    let mut config = config();
    config.limits.request_timeout = Duration::from_millis(50);
    config.development = true;
    let world = World::with(config).await;
    let mut head = TcpStream::connect(world.http).await.unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    assert_ne!(answer(head).await.status, 200);

    let mut body = TcpStream::connect(world.http).await.unwrap();
    body.write_all(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        .await
        .unwrap();
    assert_eq!(answer(body).await.status, 408);
    let mut hello = TcpStream::connect(world.tls).await.unwrap();
    hello.write_all(b"\x16\x03").await.unwrap();
    assert_eq!(answer(hello).await.status, 0);
    let name = r#"millrace_signalling_limit_hits_total{limit="request_timeout"}"#;
    assert_eq!(world.metric(name).await, Some(2.0));
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_counted() {
    let mut config = config();
    config.limits.connections = 2;
    let world = World::with(config).await;
    let mut first = TcpStream::connect(world.http).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(first.read_u8().await.is_ok());
    let mut second = TcpStream::connect(world.http).await.unwrap();
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(second.read_u8().await.is_ok());

    assert_eq!(world.get("/healthz").await.status, 0);
    drop(second);
    let name = r#"millrace_signalling_limit_hits_total{limit="connections"}"#;
    while world.metric(name).await.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn https_answers_with_a_kept_certificate_for_localhost() {
    let world = World::new().await;
    let file = world.data.join("https-self-signed.pem");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let trusted = CertificateDer::from_pem_file(&file).unwrap();
    let mut stream = connect(&world, &trusted).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(answer(stream).await.status, 200);

    let before = std::fs::read(&file).unwrap();
    let mut again = config();
    again.data = world.data.clone();
    bind(again).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_key_and_a_fix() {
    let world = World::new().await;
    let mut config = config();
    config.listen = world.http;
    let error = bind(config.clone()).err().unwrap().to_string();
    assert!(error.starts_with(&format!("http.listen = \"{}\"", world.http)), "{error}");
    assert!(error.contains("another process") && !error.contains('\n'), "{error}");

    config.listen = "192.0.2.1:7880".parse().unwrap();
    let error = bind(config.clone()).err().unwrap().to_string();
    assert!(error.contains("does not have that address"), "{error}");
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.tls_listen = Some(world.tls);
    assert!(bind(config.clone()).err().unwrap().to_string().contains("http.tls_listen"));
    config.tls_optional = true;
    assert!(bind(config).unwrap().tls_address().is_none());
}

#[tokio::test]
async fn a_relay_that_ends_ends_the_server() {
    let world = World::new().await;
    assert!(world.ended().await.is_err());
}
