//! `livekit.RoomService` over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Answer, KEY, SECRET, World, unix_seconds};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::{Value, json};
use signalling_server::token::{Claims, Grants, mint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn admin() -> Grants {
    Grants {
        room: "demo".into(),
        room_admin: true,
        room_create: true,
        room_list: true,
        ..Grants::default()
    }
}

fn token(video: Grants) -> String {
    let claims = Claims { video, ..Claims::default() };
    mint(&claims, KEY, SECRET.as_bytes(), unix_seconds(), 60)
}

async fn call(world: &World, method: &str, grants: Grants, body: &Value) -> Answer {
    let target = format!("/twirp/livekit.RoomService/{method}");
    let headers =
        format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", token(grants));
    world.request("POST", &target, &headers, &body.to_string()).await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_room_is_made_listed_changed_and_deleted_in_json() {
    let world = World::new().await;
    let asked = json!({"name": "demo", "empty_timeout": 60, "maxParticipants": 2});
    let made = call(&world, "CreateRoom", admin(), &asked).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.has("content-type: application/json") && made.has_cors());
    let room = json_of(&made);
    assert_eq!((&room["emptyTimeout"], &room["maxParticipants"]), (&json!(60), &json!(2)));
    assert_eq!(room["departureTimeout"], 20);
    assert!(room["sid"].as_str().unwrap().starts_with("RM_"));
    let created: u64 = room["creationTime"].as_str().unwrap().parse().unwrap();
    assert!(created.abs_diff(unix_seconds()) < 60);

    let again = json_of(&call(&world, "CreateRoom", admin(), &json!({"name": "demo"})).await);
    assert_eq!((&again["sid"], &again["emptyTimeout"]), (&room["sid"], &json!(60)));
    let metadata = json!({"room": "demo", "metadata": "new"});
    let changed = call(&world, "UpdateRoomMetadata", admin(), &metadata).await;
    assert_eq!(json_of(&changed)["metadata"], "new");
    let listed = json_of(&call(&world, "ListRooms", admin(), &json!({})).await);
    assert_eq!(listed["rooms"][0]["metadata"], "new");
    let none = call(&world, "ListRooms", admin(), &json!({"names": ["other"]})).await;
    assert!(json_of(&none).as_object().unwrap().is_empty());

    let deleted = call(&world, "DeleteRoom", admin(), &json!({"room": "demo"})).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (200, "{}"));
    let gone = call(&world, "DeleteRoom", admin(), &json!({"room": "demo"})).await;
    assert_eq!((gone.status, &json_of(&gone)["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn protobuf_is_answered_in_protobuf_and_errors_in_json() {
    let world = World::new().await;
    let room = proto::CreateRoomRequest { name: "demo".into(), ..Default::default() };
    let (head, body) = protobuf(&world, "CreateRoom", &room.encode_to_vec()).await;
    assert!(head.contains("200 ok") && head.contains("content-type: application/protobuf"));
    assert_eq!(proto::Room::decode(body.as_slice()).unwrap().name, "demo");

    let asked = proto::RoomParticipantIdentity {
        room: "demo".into(),
        identity: "nobody".into(),
        ..Default::default()
    };
    let (head, body) = protobuf(&world, "GetParticipant", &asked.encode_to_vec()).await;
    assert!(head.contains("404") && head.contains("content-type: application/json"));
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error, json!({"code": "not_found", "msg": "participant does not exist"}));
    let (head, body) = protobuf(&world, "GetParticipant", &[0xff; 4]).await;
    assert!(head.contains("400"));
    assert!(String::from_utf8(body).unwrap().contains("\"malformed\""));
}

async fn protobuf(world: &World, method: &str, body: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "POST /twirp/livekit.RoomService/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/protobuf\r\nContent-Length: {}\r\n\
         \r\n",
        token(admin()),
        body.len()
    );
    let mut stream = TcpStream::connect(world.http).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();

    (String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase(), bytes[end + 4..].to_vec())
}

#[tokio::test]
async fn tokens_without_the_grant_are_unauthenticated() {
    let world = World::new().await;
    let demo = json!({"room": "demo", "name": "demo"});
    let elsewhere = Grants { room: "other".into(), ..admin() };
    let join_only = Grants { room: "demo".into(), room_join: true, ..Grants::default() };
    for method in ["CreateRoom", "DeleteRoom", "ListRooms", "ListParticipants", "SendData"] {
        let answer = call(&world, method, join_only.clone(), &demo).await;
        let code = json_of(&answer)["code"].clone();
        assert_eq!((answer.status, code), (401, json!("unauthenticated")), "{method}");
    }
    assert_eq!(call(&world, "ListParticipants", elsewhere, &demo).await.status, 401);
    assert_eq!(call(&world, "ListParticipants", admin(), &demo).await.status, 404);

    let headers = "Content-Type: application/json\r\n";
    let target = "/twirp/livekit.RoomService/ListRooms";
    let answer = world.request("POST", target, headers, "{}").await;
    assert_eq!((answer.status, &json_of(&answer)["code"]), (401, &json!("unauthenticated")));
    let garbage = format!("{headers}Authorization: Bearer a.b.c\r\n");
    assert_eq!(world.request("POST", target, &garbage, "{}").await.status, 401);
}

#[tokio::test]
async fn wrong_routes_types_and_bodies_are_told_apart() {
    let world = World::new().await;
    let bad_route = |answer: &Answer| {
        assert!(answer.has_cors());
        (answer.status, json_of(answer)["code"].clone()) == (404, json!("bad_route"))
    };
    assert!(bad_route(&call(&world, "MoveParticipant", admin(), &json!({})).await));
    assert!(bad_route(&world.get("/twirp/livekit.RoomService/ListRooms").await));
    assert!(bad_route(&world.request("POST", "/twirp/livekit.Egress/X", "", "").await));
    assert!(bad_route(&world.get("/twirp/one").await));
    let text = format!("Authorization: Bearer {}\r\nContent-Type: text/plain\r\n", token(admin()));
    let target = "/twirp/livekit.RoomService/ListRooms";
    assert!(bad_route(&world.request("POST", target, &text, "{}").await));
    assert_eq!(world.request("OPTIONS", target, "", "").await.status, 204);

    let json = text.replace("text/plain", "application/json; charset=utf-8");
    for body in ["", "{", "[]", "{\"names\": 1}"] {
        let answer = world.request("POST", target, &json, body).await;
        assert_eq!(
            (answer.status, &json_of(&answer)["code"]),
            (400, &json!("malformed")),
            "{body}"
        );
    }
    let long = format!("{{\"names\": [\"{}\"]}}", "x".repeat(300 << 10));
    assert_eq!(world.request("POST", target, &json, &long).await.status, 400);
    let unnamed = call(&world, "CreateRoom", admin(), &json!({})).await;
    assert_eq!((unnamed.status, &json_of(&unnamed)["code"]), (400, &json!("invalid_argument")));
}
