//! `/rooms/ROOM/recording` over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Answer, KEY, SECRET, World, unix_seconds};
use relay_wire::control::Command;
use serde_json::Value;
use signalling_server::token::{Claims, Grants, mint};
use tokio_tungstenite::connect_async;

fn token(video: Grants) -> String {
    let claims = Claims { video, ..Claims::default() };
    mint(&claims, KEY, SECRET.as_bytes(), unix_seconds(), 60)
}

async fn ask(world: &World, method: &str, room: &str, video: Grants) -> Answer {
    let headers = format!("Authorization: Bearer {}\r\n", token(video));
    world.request(method, &format!("/rooms/{room}/recording"), &headers, "").await
}

fn recorder() -> Grants {
    Grants { room_record: true, ..Grants::default() }
}

fn code(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(body["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_recording_is_begun_shown_and_ended() {
    let world = World::new().await;
    let (_ann, _) = connect_async(world.url(&common::token("ann"))).await.unwrap();

    let begun = ask(&world, "POST", "demo", recorder()).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert!(begun.has("content-type: application/json") && begun.has_cors());
    let recording: Value = serde_json::from_str(&begun.body).unwrap();
    assert_eq!(recording["room"], "demo");
    assert!(recording["log"].as_str().unwrap().starts_with("RM_"));
    let started_s = recording["startedAtMs"].as_u64().unwrap() / 1000;
    assert!(started_s.abs_diff(unix_seconds()) < 60);
    assert_eq!(recording["lostRecords"], 0);
    let again = ask(&world, "POST", "demo", recorder()).await;
    assert_eq!(code(&again), (409, "already_exists".to_owned()));
    assert_eq!(ask(&world, "GET", "demo", recorder()).await.body, begun.body);
    assert_eq!(ask(&world, "DELETE", "demo", recorder()).await.body, begun.body);
    for method in ["GET", "DELETE"] {
        let gone = ask(&world, method, "demo", recorder()).await;
        assert_eq!(code(&gone), (404, "not_found".to_owned()), "{method}");
    }
    let told: Vec<_> =
        world.requests.lock().unwrap().iter().map(|request| request.command.clone()).collect();
    assert!(told.iter().any(|command| matches!(command, Command::Record(_))));
    assert!(told.contains(&Command::StopRecording));
}

#[tokio::test]
async fn who_may_not_and_what_is_not_there_are_told_apart() {
    let world = World::new().await;
    let none = ask(&world, "POST", "demo", recorder()).await;
    assert_eq!(code(&none), (404, "not_found".to_owned()));
    let admin = Grants { room: "demo".into(), room_admin: true, ..Grants::default() };
    let elsewhere = Grants { room: "other".into(), ..recorder() };
    for grants in [admin, elsewhere] {
        let refused = ask(&world, "POST", "demo", grants).await;
        assert_eq!(code(&refused), (401, "unauthenticated".to_owned()));
    }
    let nobody = world.request("POST", "/rooms/demo/recording", "", "").await;
    assert_eq!(code(&nobody), (401, "unauthenticated".to_owned()));
    assert_eq!(ask(&world, "PUT", "demo", recorder()).await.status, 405);
}
