//! WHIP and WHEP over real HTTP: what clients send, what they get, and why not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Answer, KEY, SECRET, World, claims, config, unix_seconds};
use signalling_server::IceServer;
use signalling_server::control::{
    Answer as FromRelay, Command, Fingerprint, Hash, Message, Opened, Refusal, Request,
};
use signalling_server::token::{Claims, mint};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
    a=ice-ufrag:publ\r\na=ice-pwd:publpasswordpasswordpassword\r\na=setup:actpass\r\na=rtcp-mux\r\n\
    a=fingerprint:sha-256 02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:02:\
    02:02:02:02:02:02:02:02:02\r\na=rtpmap:111 opus/48000/2\r\n";
const SDP: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";

fn signed(claims: &Claims) -> String {
    let token = mint(claims, KEY, SECRET.as_bytes(), unix_seconds(), 600);
    format!("Authorization: Bearer {token}\r\n")
}

fn bearer(identity: &str) -> String {
    signed(&claims(identity))
}

/// Asks while a relay answers what the server asks of it.
async fn ask(world: &World, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let relay = async {
        loop {
            let asked: Vec<Request> = std::mem::take(&mut *world.requests.lock().unwrap());
            for Request { id, command, .. } in asked {
                let answer = reply(&command);
                world.relay.send(Message::Answer { id, answer }).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = world.request(method, target, headers, body) => answer,
        () = relay => unreachable!("the relay never ends"),
    }
}

fn reply(command: &Command) -> FromRelay {
    match command {
        Command::Open { .. } | Command::RestartIce(_) => FromRelay::Opened(Opened {
            shard: 0,
            ufrag: "0000ours".into(),
            pwd: "0123456789abcdef0123456789abcdef".into(),
            fingerprint: Fingerprint { hash: Hash::Sha256, digest: vec![1; 32] },
            candidates: vec!["127.0.0.1:3478".parse().unwrap()],
            candidates_tcp: Vec::new(),
        }),
        _ => FromRelay::Done,
    }
}

async fn post(world: &World, target: &str, headers: &str, body: &str) -> Answer {
    ask(world, "POST", target, headers, body).await
}

fn header(answer: &Answer, name: &str) -> String {
    let start = format!("{name}: ");
    let value = answer.head.lines().find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_else(|| panic!("no {name}: {}", answer.head)).to_owned()
}

/// A session; gives the path of its resource, in the case in which it was written, and its ETag.
async fn opened(world: &World) -> (String, String) {
    let headers = bearer("obs") + SDP;
    let answer = post(world, "/whip/demo", &headers, OFFER).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    (answer.raw_header("location"), answer.raw_header("etag"))
}

#[tokio::test]
async fn whip_answers_with_everything_that_the_rfc_asks_for() {
    let mut config = config();
    config.switchboard.ice_servers = vec![IceServer {
        urls: vec!["turn:turn.example.org".into()],
        username: "u".into(),
        credential: "c".into(),
    }];
    let world = World::with(config).await;
    let headers = bearer("obs") + SDP;
    let answer = post(&world, "/whip/demo", &headers, OFFER).await;

    assert_eq!(answer.status, 201);
    assert!(answer.has("content-type: application/sdp") && answer.has_cors());
    assert!(answer.body.starts_with("v=0\r\n") && answer.body.contains("a=candidate:1 1 udp"));
    assert!(header(&answer, "location").starts_with("/whip/demo/ws_"));
    assert!(header(&answer, "etag").starts_with('"'));
    assert_eq!(
        header(&answer, "link"),
        "<turn:turn.example.org>; rel=\"ice-server\"; username=\"u\"; credential=\"c\"; \
         credential-type=\"password\""
    );
    let exposed = header(&answer, "access-control-expose-headers");
    assert!(["location", "link", "etag"].iter().all(|name| exposed.contains(name)), "{exposed}");
}

#[tokio::test]
async fn resource_takes_candidates_restarts_and_its_end() {
    let world = World::new().await;
    let (path, etag) = opened(&world).await;
    let own = bearer("obs") + FRAGMENT;
    let trickle = "a=ice-ufrag:publ\r\na=ice-pwd:publpasswordpasswordpassword\r\n";
    let with = |tag: &str| format!("{own}If-Match: {tag}\r\n");

    let taken = ask(&world, "PATCH", &path, &with(&etag), trickle).await;
    assert_eq!((taken.status, taken.body.as_str()), (204, ""));
    assert_eq!(ask(&world, "PATCH", &path, &own, trickle).await.status, 428);
    assert_eq!(ask(&world, "PATCH", &path, &with("\"x\""), trickle).await.status, 412);
    let wrong = bearer("obs") + SDP + "If-Match: *\r\n";
    assert_eq!(ask(&world, "PATCH", &path, &wrong, trickle).await.status, 415);
    assert_eq!(ask(&world, "PATCH", &path, &with("*"), "nonsense").await.status, 400);

    let restart = "a=ice-ufrag:anew\r\na=ice-pwd:anewpasswordpasswordpassword\r\n";
    let anew = ask(&world, "PATCH", &path, &with("*"), restart).await;
    assert_eq!(anew.status, 200);
    assert!(anew.has("content-type: application/trickle-ice-sdpfrag"));
    assert!(anew.raw_header("etag") != etag && anew.body.contains("a=ice-ufrag:0000ours"));

    let others = bearer("eve");
    assert_eq!(ask(&world, "DELETE", &path, &others, "").await.status, 403);
    assert_eq!(ask(&world, "DELETE", &path, "", "").await.status, 401);
    assert_eq!(ask(&world, "DELETE", &path, &bearer("obs"), "").await.status, 200);
    assert_eq!(ask(&world, "DELETE", &path, &bearer("obs"), "").await.status, 404);
}

#[tokio::test]
async fn refusals_have_a_status_and_a_reason() {
    let world = World::new().await;
    let good = bearer("obs") + SDP;
    let mut muted = claims("obs");
    muted.video.can_publish = Some(false);
    let muted = signed(&muted) + SDP;
    let typeless = bearer("obs");
    let mute = "m=audio 0 UDP/TLS/RTP/SAVPF 111";
    let long = "x".repeat(400 * 1024);
    let cases: [(&str, &str, &str, String, u16, &str); 12] = [
        ("POST", "/whip/demo", SDP, OFFER.into(), 401, "no token"),
        ("POST", "/whip/other", &good, OFFER.into(), 403, "another room"),
        ("POST", "/whip/demo", &muted, OFFER.into(), 403, "canPublish"),
        ("POST", "/whip/demo", &typeless, OFFER.into(), 415, "application/sdp"),
        ("POST", "/whip/demo", &good, "hello".into(), 400, "malformed"),
        ("POST", "/whip/demo", &good, long, 413, "too long"),
        ("POST", "/whip/demo", &good, OFFER.replace("opus/48000/2", "PCMU/8000"), 406, "audio"),
        ("POST", "/whip/demo", &good, OFFER.replace("ice-pwd", "x"), 422, "ICE credentials"),
        ("POST", "/whip/demo", &good, OFFER.replace(&mute.replace(" 0 ", " 9 "), mute), 422, ""),
        ("POST", "/whep/demo", &good, OFFER.into(), 422, "recvonly"),
        ("GET", "/whip/demo", &good, String::new(), 405, "POST"),
        ("PUT", "/whip/demo/WS_x", &good, String::new(), 405, "PATCH"),
    ];
    for (method, target, headers, body, status, reason) in cases {
        let answer = ask(&world, method, target, headers, &body).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        assert!(answer.body.contains(reason), "{}", answer.body);
        assert!(!answer.body.is_empty() && answer.has_cors());
    }
    let unknown = ask(&world, "DELETE", "/whip/demo/WS_x", &bearer("obs"), "").await;
    assert!(unknown.status == 404 && unknown.body.contains("no such session"));
}

#[tokio::test]
async fn options_says_what_is_taken() {
    let world = World::new().await;
    let endpoint = world.request("OPTIONS", "/whep/demo", "", "").await;
    assert_eq!(endpoint.status, 204);
    assert!(endpoint.has("accept-post: application/sdp") && endpoint.has_cors());
    let methods = header(&endpoint, "access-control-allow-methods");
    assert!(methods.contains("patch") && methods.contains("delete"));
    let session = world.request("OPTIONS", "/whip/demo/WS_x", "", "").await;
    assert!(session.has("accept-patch: application/trickle-ice-sdpfrag"));
}

#[tokio::test]
async fn too_many_offers_of_one_address_are_told_to_wait() {
    let world = World::new().await;
    let headers = bearer("obs") + SDP;
    for _ in 0..200 {
        let answer = post(&world, "/whip/demo", &headers, "hello").await;
        if answer.status == 429 {
            assert!(answer.has("retry-after: 2") && answer.body.contains("too many offers"));
            return;
        }
        assert_eq!(answer.status, 400);
    }
    panic!("200 offers at once were taken");
}

#[tokio::test]
async fn without_a_relay_sessions_are_refused_for_now() {
    let world = World::without_relay().await;
    let headers = bearer("obs") + SDP;
    let answer = world.request("POST", "/whip/demo", &headers, OFFER).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("relay") && answer.has("retry-after: 2"));
}

#[tokio::test]
async fn relay_that_is_full_refuses_a_session_with_503() {
    let world = World::new().await;
    let headers = bearer("obs") + SDP;
    let relay = async {
        loop {
            let asked: Vec<Request> = std::mem::take(&mut *world.requests.lock().unwrap());
            for Request { id, .. } in asked {
                let answer = FromRelay::Refused(Refusal::Full);
                world.relay.send(Message::Answer { id, answer }).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = world.request("POST", "/whip/demo", &headers, OFFER) => answer,
        () = relay => unreachable!("the relay never ends"),
    };
    assert_eq!(answer.status, 503);
}
