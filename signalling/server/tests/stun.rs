//! The STUN service, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{World, config};
use relay_wire::stun::{ChangeRequest, Class, Message, Method, Writer};
use signalling_server::{StunConfig, bind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
const ID: [u8; 12] = [7; 12];

fn request(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = [0; 512];
    let mut writer = Writer::begin(&mut bytes, Class::Request, Method::BINDING, &ID);
    fill(&mut writer);
    let len = writer.finish().unwrap();
    bytes[..len].to_vec()
}

async fn world(listen: &[&str]) -> World {
    let listen = listen.iter().map(|text| text.parse().unwrap()).collect();
    let mut config = config();
    config.stun = StunConfig { listen, ..config.stun };
    World::with(config).await
}

/// The next datagram: its bytes, and who sent it.
async fn next(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2048];
    let received = timeout(PATIENCE, client.recv_from(&mut bytes)).await.expect("an answer");
    let (len, from) = received.unwrap();
    (bytes[..len].to_vec(), from)
}

fn requests(result: &str) -> String {
    format!("millrace_stun_requests_total{{result=\"{result}\"}}")
}

#[tokio::test]
async fn a_client_learns_its_address_over_udp_of_both_families() {
    let world = world(&["127.0.0.1:0", "[::1]:0"]).await;
    for server in &world.stun {
        let client = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await.unwrap();
        client.send_to(&request(|_| {}), server).await.unwrap();
        let (bytes, from) = next(&client).await;
        let answer = Message::parse(&bytes).unwrap();
        assert_eq!((answer.class(), answer.transaction_id()), (Class::Success, &ID));
        assert_eq!(answer.xor_mapped_address(), Some(client.local_addr().unwrap()));
        assert_eq!((from, answer.other_address()), (*server, None));
    }
    assert_eq!(world.metric(&requests("answered")).await, Some(2.0));
}

#[tokio::test]
async fn requests_on_a_connection_are_answered_in_order_however_they_are_cut() {
    let world = world(&["127.0.0.1:0"]).await;
    let mut client = TcpStream::connect(world.stun[0]).await.unwrap();
    let own = client.local_addr().unwrap();
    let both = [
        request(|_| {}),
        request(|writer| {
            writer.fingerprint();
        }),
    ]
    .concat();
    for byte in &both {
        client.write_all(&[*byte]).await.unwrap();
    }
    for fingerprint in [false, true] {
        let mut bytes = vec![0; if fingerprint { 40 } else { 32 }];
        timeout(PATIENCE, client.read_exact(&mut bytes)).await.unwrap().unwrap();
        let answer = Message::parse(&bytes).unwrap();
        assert_eq!(answer.xor_mapped_address(), Some(own));
        assert_eq!(answer.has_fingerprint(), fingerprint);
    }
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let ended = timeout(PATIENCE, client.read(&mut [0; 16])).await.unwrap();
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
}

#[tokio::test]
async fn what_is_no_request_is_dropped_and_counted_and_unknown_attributes_are_named() {
    let world = world(&["127.0.0.1:0"]).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut broken = request(|writer| {
        writer.fingerprint();
    });
    *broken.last_mut().unwrap() ^= 1;
    let mut indication = request(|_| {});
    indication[1] |= 0x10;
    let long = vec![0; 9_000];
    for dropped in [&b"hello"[..], &broken, &indication, &long, &[]] {
        client.send_to(dropped, world.stun[0]).await.unwrap();
    }
    let unknown = request(|writer| {
        writer.attribute(0x7ffe, &[]);
    });
    client.send_to(&unknown, world.stun[0]).await.unwrap();

    let (bytes, _) = next(&client).await;
    let answer = Message::parse(&bytes).unwrap();
    assert_eq!((answer.class(), answer.error_code().unwrap().code), (Class::Error, 420));
    assert_eq!(world.metric(&requests("refused")).await, Some(1.0));
    assert_eq!(world.metric(&requests("dropped")).await, Some(5.0));
    assert_eq!(world.metric(&requests("answered")).await, Some(0.0));
}

/// Ports that were free on both addresses a moment ago.
fn two_ports() -> [u16; 2] {
    let free = || loop {
        let first = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let addresses = ["127.0.0.1", "127.0.0.2"];
        let is_free = |ip: &&str| std::net::TcpListener::bind((*ip, port)).is_ok();
        if addresses.iter().all(is_free) && std::net::UdpSocket::bind(("127.0.0.2", port)).is_ok() {
            return port;
        }
    };
    [free(), free()]
}

#[tokio::test]
async fn two_addresses_with_two_ports_each_discover_behaviour() {
    let [one, two] = two_ports();
    let mut config = config();
    let corners = [("127.0.0.1", one), ("127.0.0.1", two), ("127.0.0.2", one), ("127.0.0.2", two)];
    let listen = corners.map(|(ip, port)| SocketAddr::new(ip.parse().unwrap(), port));
    let nat: [IpAddr; 2] = ["192.0.2.2".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    config.stun = StunConfig { listen: listen.to_vec(), public: vec![(nat[0], nat[1])] };
    let world = World::with(config).await;

    let client = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for (ip, port, corner) in
        [(false, false, 0), (false, true, 1), (true, false, 2), (true, true, 3)]
    {
        let change = ChangeRequest { ip, port };
        let bytes = request(|writer| {
            writer.change_request(change);
        });
        client.send_to(&bytes, world.stun[0]).await.unwrap();
        let (bytes, from) = next(&client).await;
        assert_eq!(from, listen[corner], "{change:?}");
        let answer = Message::parse(&bytes).unwrap();
        let other = SocketAddr::new(nat[0], listen[3].port());
        assert_eq!(answer.other_address(), Some(other), "the address behind NAT is told");
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    config.stun.listen = vec![taken.local_addr().unwrap()];
    let error = bind(config).err().unwrap().to_string();
    assert!(error.starts_with("stun.listen = "), "{error}");
    assert!(error.contains("another process listens there"), "{error}");
}
