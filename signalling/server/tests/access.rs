//! Who is let in, who is not, and what they are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{KEY, SECRET, World, claims, config, token, unix_seconds};
use signalling_server::token::{Claims, mint, verify};

fn signed(claims: &Claims, secret: &str) -> String {
    mint(claims, KEY, secret.as_bytes(), unix_seconds(), 600)
}

fn unsigned() -> String {
    let payload = token("eve").split('.').nth(1).unwrap().to_owned();
    format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#))
}

#[tokio::test]
async fn a_bad_token_is_refused_with_401_and_a_reason_and_creates_nothing() {
    let world = World::new().await;
    let mut no_join = claims("ann");
    no_join.video.room_join = false;
    let old = unix_seconds() - 7200;
    let cases = [
        ("", "no token"),
        ("garbage", "malformed"),
        ("a.b.c", "malformed"),
        (&unsigned(), "not HS256"),
        (&signed(&claims("eve"), "another secret"), "signature"),
        (&mint(&claims("eve"), "other", SECRET.as_bytes(), old + 7200, 600), "not known"),
        (&mint(&claims("ann"), KEY, SECRET.as_bytes(), old, 600), "expired"),
        (&mint(&claims("ann"), KEY, SECRET.as_bytes(), old + 14_400, 600), "not valid yet"),
        (&signed(&no_join, SECRET), "does not permit joining"),
    ];
    for (token, reason) in cases {
        for path in ["/rtc/validate", "/rtc"] {
            let answer = world.upgrade(&format!("{path}?access_token={token}")).await;
            assert_eq!(answer.status, 401, "{path} {reason}");
            assert!(answer.body.contains(reason), "{path}: {}", answer.body);
            assert!(answer.has_cors(), "{path} {reason}");
        }
    }
    assert!(world.requests.lock().unwrap().is_empty());
    assert_eq!(world.metric("millrace_signalling_participants").await, Some(0.0));
    let expired = r#"millrace_signalling_join_failures_total{reason="token_expired"}"#;
    assert_eq!(world.metric(expired).await, Some(2.0));
}

#[tokio::test]
async fn a_token_without_a_name_or_a_room_is_a_bad_request() {
    let world = World::new().await;
    let mut no_room = claims("ann");
    no_room.video.room = String::new();
    for claims in [claims(""), no_room] {
        let token = signed(&claims, SECRET);
        let answer = world.get(&format!("/rtc/validate?access_token={token}")).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_good_token_validates_and_the_header_wins() {
    let world = World::new().await;
    let target = format!("/rtc/validate?access_token={}", token("ann"));
    let answer = world.get(&target).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "success"));

    let header = format!("Authorization: Bearer {}\r\n", token("ann"));
    let answer = world.request("GET", "/rtc/validate?access_token=bad", &header, "").await;
    assert_eq!(answer.status, 200);
    let answer = world.request("GET", &target, "Authorization: Bearer bad\r\n", "").await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn what_is_not_there_says_so_to_pages_from_anywhere() {
    let world = World::new().await;
    for path in ["/rtc/v1", "/rtc/v1/validate", "/rtc/v1?join_request=x", "/nothing"] {
        let answer = world.upgrade(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.has_cors(), "{path}");
        assert!(!answer.body.contains("requested room does not exist"));
    }
    let answer = world.request("DELETE", "/rtc/validate", "", "").await;
    assert!(answer.status == 405 && answer.has_cors());
    let answer = world.get(&format!("/rtc?access_token={}", token("ann"))).await;
    assert!(answer.status == 426 && answer.has_cors(), "{}", answer.status);
}

#[tokio::test]
async fn options_are_answered_for_a_day() {
    let world = World::new().await;
    for path in ["/rtc/validate", "/token", "/rtc/v1", "/nothing"] {
        let answer = world.request("OPTIONS", path, "Origin: https://a.example\r\n", "").await;
        assert_eq!(answer.status, 204, "{path}");
        assert!(answer.has_cors() && answer.has("access-control-max-age: 86400"));
        assert!(answer.has("access-control-allow-headers: *, authorization"), "{}", answer.head);
    }
}

#[tokio::test]
async fn without_the_relay_nobody_joins_and_readyz_says_why() {
    let world = World::without_relay().await;
    let answer = world.get(&format!("/rtc/validate?access_token={}", token("ann"))).await;
    assert!(answer.status == 503 && answer.body.contains("relay"), "{}", answer.body);
    let answer = world.get("/readyz").await;
    assert!(answer.status == 503 && answer.body.contains("relay"), "{}", answer.body);
    assert_eq!(world.get("/healthz").await.status, 200);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn guests_get_a_token_in_development_and_with_page_guests_only() {
    let world = World::new().await;
    let asked = r#"{"identity":"ann","room":"demo","name":"Ann"}"#;
    let answer = world.request("POST", "/token", "", asked).await;
    assert!(answer.status == 403 && answer.body.contains("page.guests"), "{}", answer.body);

    let mut config = config();
    config.guests = true;
    let world = World::with(config).await;
    let answer = world.request("POST", "/token", "", asked).await;
    assert_eq!(answer.status, 200);
    let given: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(given["url"], "ws://test");
    let token = given["token"].as_str().unwrap();
    let claims = verify(token, |key| (key == KEY).then_some(SECRET), unix_seconds()).unwrap();
    assert_eq!((claims.sub.as_str(), claims.name.as_str()), ("ann", "Ann"));
    assert_eq!(claims.video.room, "demo");
    assert!(!claims.video.room_admin && claims.video.room_join);
    assert_eq!(world.get(&format!("/rtc/validate?access_token={token}")).await.status, 200);
}

#[tokio::test]
async fn guests_moderate_only_where_the_secret_is_public_anyway() {
    let mut config = config();
    config.development = true;
    config.guests_moderate = true;
    let world = World::with(config).await;
    let asked = r#"{"identity":"ann","room":"demo"}"#;
    let answer = world.request("POST", "/token", "", asked).await;
    let given: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let token = given["token"].as_str().unwrap();
    let claims = verify(token, |key| (key == KEY).then_some(SECRET), unix_seconds()).unwrap();
    assert!(claims.video.room_admin && claims.video.room == "demo");
    assert!(!claims.video.room_create && !claims.video.room_list);
}

#[tokio::test]
async fn a_senseless_request_for_a_token_is_refused_with_a_reason() {
    let mut config = config();
    config.development = true;
    let world = World::with(config).await;
    let long = "x".repeat(200);
    for body in [
        "",
        "[]",
        r#"{"identity":"ann"}"#,
        r#"{"identity":"","room":"demo"}"#,
        r#"{"identity":"ann","room":"  "}"#,
        r#"{"identity":"ann","room":"demo","admin":true}"#,
        &format!(r#"{{"identity":"{long}","room":"demo"}}"#),
    ] {
        let answer = world.request("POST", "/token", "", body).await;
        assert!(answer.status == 400 && !answer.body.is_empty(), "{body}");
    }
    let body = format!(r#"{{"identity":"{}","room":"demo"}}"#, "x".repeat(20_000));
    assert_eq!(world.request("POST", "/token", "", &body).await.status, 413);
}
