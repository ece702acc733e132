//! `/calls` as clients see it, over real WebSockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{World, token};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A device of somebody.
struct Device {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    last_seq: u64,
    welcome: Value,
    /// What came while something else was awaited.
    kept: Vec<Value>,
}

impl Device {
    async fn open(world: &World) -> Self {
        let url = format!("ws://{}/calls", world.http);
        let socket = connect_async(url).await.unwrap().0;

        Self { socket, last_id: 0, last_seq: 0, welcome: Value::Null, kept: Vec::new() }
    }

    async fn new(world: &World, identity: &str, device: &str) -> Self {
        let hello = json!({
            "type": "hello", "version": 1, "token": token(identity), "device": device,
        });
        let mut new = Self::open(world).await;
        new.say(&hello).await;
        new.welcome = new.expect("welcome").await;
        assert_eq!(new.welcome["identity"], identity);
        new
    }

    async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    /// The next frame; events must be numbered without gaps.
    async fn heard(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = frame["seq"].as_u64() {
                        assert_eq!(seq, self.last_seq + 1, "{frame}");
                        self.last_seq = seq;
                    }
                    return Some(frame);
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next frame of this type; others are kept.
    async fn expect(&mut self, kind: &str) -> Value {
        if let Some(at) = self.kept.iter().position(|frame| frame["type"] == kind) {
            return self.kept.remove(at);
        }
        loop {
            let frame = self.heard().await.unwrap_or_else(|| panic!("closed before {kind}"));
            if frame["type"] == kind {
                return frame;
            }
            self.kept.push(frame);
        }
    }

    /// Asks, and gives the answer.
    async fn ask(&mut self, mut frame: Value) -> Value {
        self.last_id += 1;
        frame["id"] = self.last_id.into();
        self.say(&frame).await;
        self.answer(self.last_id).await
    }

    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let frame = self.heard().await.unwrap();
            if frame["re"] == id {
                return frame;
            }
            self.kept.push(frame);
        }
    }

    async fn ok(&mut self, frame: Value) -> Value {
        let answer = self.ask(frame).await;
        assert_eq!(answer["type"], "ok", "{answer}");
        answer
    }

    async fn error(&mut self, frame: Value) -> Value {
        let answer = self.ask(frame).await;
        assert_eq!(answer["type"], "error", "{answer}");
        answer
    }

    async fn calls(&mut self, whom: &str) -> String {
        let ok = self.ok(json!({ "type": "call", "to": whom, "video": true })).await;
        ok["call"].as_str().unwrap().to_owned()
    }

    async fn does(&mut self, what: &str, call: &str) -> Value {
        self.ok(json!({ "type": what, "call": call })).await
    }

    async fn ended(&mut self, call: &str) -> String {
        let ended = self.expect("ended").await;
        assert_eq!(ended["call"], call);
        ended["reason"].as_str().unwrap().to_owned()
    }

    async fn is_ready(&mut self, call: &str, epoch: u64) {
        let state = json!({ "type": "route", "call": call, "epoch": epoch, "state": "ready" });
        self.ok(state).await;
    }

    async fn closed(&mut self) -> Option<CloseCode> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code);
            }
        }
        None
    }
}

/// Two in a call whose direct route stands, and the call.
async fn in_a_call(world: &World) -> (Device, Device, String) {
    let mut ann = Device::new(world, "ann", "laptop").await;
    let mut bob = Device::new(world, "bob", "phone").await;
    let call = ann.calls("bob").await;
    bob.expect("incoming").await;
    bob.does("accept", &call).await;
    for device in [&mut ann, &mut bob] {
        let epoch = device.expect("route").await["epoch"].as_u64().unwrap();
        device.is_ready(&call, epoch).await;
    }
    for device in [&mut ann, &mut bob] {
        assert_eq!(device.expect("route").await["state"], "switched");
    }

    (ann, bob, call)
}

#[tokio::test]
async fn two_call_and_talk_directly_and_hang_up() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let mut bob = Device::new(&world, "bob", "phone").await;
    let call = ann.calls("bob").await;
    let incoming = bob.expect("incoming").await;
    assert_eq!((&incoming["from"]["identity"], &incoming["video"]), (&json!("ann"), &json!(true)));
    bob.does("ringing", &call).await;
    assert_eq!(ann.expect("ringing").await["identity"], "bob");
    bob.does("accept", &call).await;
    assert_eq!(ann.expect("accepted").await["device"], "phone");
    let proposed = ann.expect("route").await;
    assert_eq!((&proposed["via"], &proposed["offerer"]), (&json!("direct"), &json!(true)));
    assert_eq!(bob.expect("route").await["offerer"], false);

    let offer = json!({
        "type": "p2p", "call": call, "epoch": 1, "to": "bob", "offer": { "sdp": "v=0" },
    });
    ann.ok(offer).await;
    let offer = bob.expect("p2p").await;
    assert_eq!((&offer["from"], &offer["offer"]["sdp"]), (&json!("ann"), &json!("v=0")));
    let last = json!({ "type": "p2p", "call": call, "epoch": 1, "to": "ann", "candidate": null });
    bob.ok(last).await;
    assert_eq!(ann.expect("p2p").await["candidate"], Value::Null);
    ann.is_ready(&call, 1).await;
    bob.is_ready(&call, 1).await;
    assert_eq!(ann.expect("route").await["state"], "switched");
    assert_eq!(bob.expect("route").await["state"], "switched");

    ann.does("hangup", &call).await;
    assert_eq!(ann.ended(&call).await, "hangup");
    assert_eq!(bob.ended(&call).await, "hangup");
    assert_eq!(bob.error(json!({ "type": "hangup", "call": call })).await["code"], "unknown_call");
}

#[tokio::test]
async fn it_rings_on_every_device_and_one_takes_it() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let mut phone = Device::new(&world, "bob", "phone").await;
    let mut desk = Device::new(&world, "bob", "desk").await;
    let call = ann.calls("bob").await;
    phone.expect("incoming").await;
    desk.expect("incoming").await;
    desk.does("accept", &call).await;
    assert_eq!(phone.ended(&call).await, "answered_elsewhere");
    assert_eq!(ann.expect("accepted").await["device"], "desk");
}

#[tokio::test]
async fn a_refusal_and_a_cancellation_end_the_call_for_both() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let mut bob = Device::new(&world, "bob", "phone").await;
    let call = ann.calls("bob").await;
    bob.expect("incoming").await;
    bob.does("decline", &call).await;
    assert_eq!(ann.ended(&call).await, "declined");
    assert_eq!(bob.ended(&call).await, "declined");
    let call = ann.calls("bob").await;
    bob.expect("incoming").await;
    ann.does("cancel", &call).await;
    assert_eq!(bob.ended(&call).await, "cancelled");
    assert_eq!(bob.expect("notice").await["kind"], "missed_call");
}

#[tokio::test]
async fn nobody_learns_whether_somebody_is_unknown_offline_or_blocks_them() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let mut bob = Device::new(&world, "bob", "phone").await;
    bob.ok(json!({ "type": "settings", "block": ["ann"] })).await;
    let mut errors = Vec::new();
    for whom in ["bob", "nobody"] {
        let frame = json!({ "type": "call", "to": whom, "video": false });
        let mut error = ann.error(frame).await;
        error["re"] = 0.into();
        errors.push(error);
    }
    assert_eq!(errors[0]["code"], "unavailable");
    assert_eq!(errors[0], errors[1]);
    let seen = ann.ok(json!({ "type": "watch", "identities": ["bob", "nobody"] })).await;
    assert_eq!(seen["presence"][0], json!({ "identity": "bob", "name": "", "state": "offline" }));
    assert_eq!(seen["presence"][1]["state"], "offline");
    // What was kept of the refused calls is not told to who has blocked.
    bob.ok(json!({ "type": "ping" })).await;
    assert!(bob.kept.iter().all(|frame| frame["type"] != "notice"));
}

#[tokio::test]
async fn a_third_takes_the_call_to_the_server() {
    let world = World::new().await;
    let (mut ann, mut bob, call) = in_a_call(&world).await;
    let mut eve = Device::new(&world, "eve", "tablet").await;
    ann.ok(json!({ "type": "add", "call": call, "to": "eve" })).await;
    assert_eq!(eve.expect("incoming").await["participants"].as_array().unwrap().len(), 3);
    eve.does("accept", &call).await;
    for device in [&mut ann, &mut bob, &mut eve] {
        let route = device.expect("route").await;
        assert_eq!((&route["via"], &route["epoch"]), (&json!("server"), &json!(2)));
        assert_eq!(route["room"], format!("call-{call}"));
        let query = format!("/rtc/validate?access_token={}", route["token"].as_str().unwrap());
        assert_eq!(world.get(&query).await.status, 200);
        device.is_ready(&call, 2).await;
    }
    for device in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(device.expect("route").await["state"], "switched");
    }
    eve.does("hangup", &call).await;
    assert_eq!(ann.expect("left").await["identity"], "eve");
    // Two are left: after a while of calm they speak directly again.
    assert_eq!(bob.expect("route").await["via"], "direct");
}

#[tokio::test]
async fn a_session_goes_on_after_its_line_was_cut_and_nothing_is_lost() {
    let world = World::new().await;
    let (mut ann, bob, call) = in_a_call(&world).await;
    let session = bob.welcome["session"].clone();
    let (received, last_id) = (bob.last_seq, bob.last_id);
    drop(bob);
    let frame = json!({
        "type": "p2p", "call": call, "epoch": 1, "to": "bob", "offer": { "sdp": "v=1" },
    });
    ann.ok(frame).await;
    let mut bob = Device::open(&world).await;
    bob.last_seq = received;
    bob.say(&json!({
        "type": "hello", "version": 1, "token": token("bob"), "device": "phone",
        "resume": { "session": session, "received": received },
    }))
    .await;
    let welcome = bob.expect("welcome").await;
    assert_eq!((&welcome["resumed"], &welcome["session"]), (&json!(true), &session));
    assert_eq!(welcome["calls"][0]["state"], "active");
    assert_eq!(bob.expect("p2p").await["offer"]["sdp"], "v=1");
    // A request that was sent already is answered as it was, and not carried out again.
    let again = json!({
        "type": "route", "id": last_id, "call": call, "epoch": 1, "state": "ready",
    });
    bob.say(&again).await;
    assert_eq!(bob.answer(last_id).await["type"], "ok");
}

#[tokio::test]
async fn a_page_that_is_loaded_anew_is_in_its_call_again() {
    let world = World::new().await;
    let (mut ann, bob, call) = in_a_call(&world).await;
    drop(bob);
    let mut bob = Device::new(&world, "bob", "phone").await;
    assert_eq!(bob.welcome["resumed"], false);
    assert_eq!(bob.welcome["calls"][0]["call"], call);
    assert_eq!(bob.welcome["calls"][0]["device_in"], true);
    assert_eq!(bob.expect("route").await["epoch"], 2);
    assert_eq!(ann.expect("route").await["epoch"], 2);
}

#[tokio::test]
async fn who_calls_each_other_at_once_is_in_one_call() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let mut bob = Device::new(&world, "bob", "phone").await;
    for (device, other) in [(&mut ann, "bob"), (&mut bob, "ann")] {
        device.last_id = 1;
        let frame = json!({ "type": "call", "id": 1, "to": other, "video": true });
        device.say(&frame).await;
    }
    assert_eq!(ann.answer(1).await["type"], "ok");
    assert_eq!(bob.answer(1).await["type"], "ok");
    let (one, other) = (ann.expect("route").await, bob.expect("route").await);
    assert_eq!(one["call"], other["call"]);
    assert_eq!(ann.expect("accepted").await["call"], one["call"]);
    assert_eq!(bob.expect("accepted").await["call"], one["call"]);
}

#[tokio::test]
async fn errors_name_the_field_and_abuse_ends_the_connection() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let error = ann.error(json!({ "type": "call", "to": 5, "video": true })).await;
    assert_eq!((&error["code"], &error["field"]), (&json!("bad_message"), &json!("/to")));
    let error = ann.error(json!({ "type": "dance" })).await;
    assert_eq!(error["code"], "unknown_type");
    ann.say(&json!({ "type": "ping", "id": 9 })).await;
    assert_eq!(ann.answer(9).await["code"], "out_of_order");
    ann.say(&json!({ "type": "ping", "id": 3, "much": "x".repeat(70_000) })).await;
    assert_eq!(ann.answer(0).await["code"], "too_large");
    for _ in 0..10 {
        ann.say(&json!([])).await;
    }
    assert_eq!(ann.expect("bye").await["reason"], "abuse");
    assert_eq!(ann.closed().await, Some(CloseCode::Policy));
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_beginning_end_the_connection() {
    let world = World::new().await;
    let mut stranger = Device::open(&world).await;
    let hello = json!({ "type": "hello", "version": 1, "token": "x.y.z", "device": "d" });
    stranger.say(&hello).await;
    assert_eq!(stranger.expect("bye").await["reason"], "token");
    let mut early = Device::open(&world).await;
    early.say(&json!({ "type": "ping", "id": 1 })).await;
    assert_eq!(early.expect("bye").await["reason"], "protocol");
    assert_eq!(early.closed().await, Some(CloseCode::Policy));
}

#[tokio::test]
async fn presence_is_told_as_it_changes_and_missed_calls_are_kept() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let all = ann.ok(json!({ "type": "watch", "identities": null })).await;
    assert_eq!(all["presence"].as_array().unwrap().len(), 1);
    let frame = json!({ "type": "call", "to": "bob", "video": false });
    ann.error(frame).await;
    let mut bob = Device::new(&world, "bob", "phone").await;
    let presence = ann.expect("presence").await;
    assert_eq!((&presence["identity"], &presence["state"]), (&json!("bob"), &json!("online")));
    // It is kept after the answer: who connects at once hears of it a little later.
    let notice = match bob.welcome["notices"][0].clone() {
        Value::Null => bob.expect("notice").await,
        notice => notice,
    };
    assert_eq!(notice["from"]["identity"], "ann");
    bob.ok(json!({ "type": "seen", "notice": notice["notice"] })).await;
    assert_eq!(bob.expect("notice_gone").await["notice"], notice["notice"]);
    bob.ok(json!({ "type": "settings", "do_not_disturb": true })).await;
    assert_eq!(bob.expect("settings").await["do_not_disturb"], true);
    assert_eq!(ann.expect("presence").await["state"], "do_not_disturb");
}

#[tokio::test]
async fn at_the_end_everybody_is_told_to_connect_again() {
    let world = World::new().await;
    let mut ann = Device::new(&world, "ann", "laptop").await;
    let stopping = tokio::spawn(world.stop());
    let bye = ann.expect("bye").await;
    assert_eq!((&bye["reason"], &bye["reconnect"]), (&json!("shutdown"), &json!(true)));
    assert_eq!(ann.closed().await, Some(CloseCode::Away));
    stopping.await.unwrap().unwrap();
}
