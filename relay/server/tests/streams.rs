//! Clients on TCP and TLS connections, on real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_server::IoKind;
use relay_wire::stream::Framing;
use relay_wire::stun::Message;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use world::streams::{Client, binding, mapped, tls_world};
use world::{BACKENDS, World};

const CLOSED: &str = "millrace_relay_connections_closed_total";

#[test]
fn a_binding_request_is_answered_with_the_connections_address() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        let mut client = Client::tcp(world.address());

        client.write(&binding(1));
        assert_eq!(mapped(&client.read()), client.local(), "{io:?}");
        world.await_metric("millrace_relay_connections_accepted_total", "kind=\"tcp\"", 1);
        world.await_metric("millrace_relay_connections", "kind=\"tcp\"", 1);
    }
}

#[test]
fn both_families_are_served() {
    let world = World::listening(IoKind::Uring, 1, "[::1]:0");
    let mut client = Client::tcp(world.address());

    client.write(&binding(1));
    assert_eq!(mapped(&client.read()), client.local());
}

#[test]
fn a_request_in_single_bytes_is_put_together() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let mut client = Client::tcp(world.address());

        for byte in binding(1) {
            client.write(&[byte]);
            std::thread::yield_now();
        }
        assert_eq!(mapped(&client.read()), client.local(), "{io:?}");
    }
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let mut client = Client::tcp(world.address());
        let count = 200;
        let together: Vec<u8> = (0..count).flat_map(binding).collect();
        // The last one is cut: its rest comes after the first answers.
        let (most, rest) = together.split_at(together.len() - 7);

        client.write(most);
        for number in 0..count - 1 {
            assert_eq!(
                Message::parse(&client.read()).unwrap().transaction_id()[0],
                number,
                "{io:?}"
            );
        }
        client.write(rest);
        assert_eq!(Message::parse(&client.read()).unwrap().transaction_id()[0], count - 1);
    }
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let mut client = Client::tcp(world.address());

        client.write(&binding(1));
        client.socket().shutdown(Shutdown::Write).unwrap();
        assert_eq!(mapped(&client.read()), client.local(), "{io:?}");
        assert_eq!(client.read_end(), ErrorKind::UnexpectedEof);
        world.await_metric(CLOSED, "reason=\"client\"", 1);
    }
}

#[test]
fn garbage_ends_its_connection_and_no_other() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let mut good = Client::tcp(world.address());
        good.write(&binding(1));
        good.read();

        let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        let mut turned = binding(1);
        turned.extend_from_slice(b"\xff\xff\xff\xff");
        // ChannelData, which no connection begins with, and a message of TURN that is not STUN.
        for garbage in [http, vec![0; 64], b"\x40\x00\x00\x04data".to_vec(), turned] {
            let mut bad = Client::tcp(world.address());
            bad.write(&garbage);
            bad.drain();
        }
        world.await_metric(CLOSED, "reason=\"garbage\"", 4);
        good.write(&binding(2));
        assert_eq!(mapped(&good.read()), good.local(), "{io:?}");
    }
}

#[test]
fn a_connection_that_is_reset_is_forgotten() {
    let world = World::new(IoKind::Uring, 1);
    let mut client = Client::tcp(world.address());
    client.write(&binding(1));
    client.read();

    let socket = socket2::Socket::from(client.into_socket());
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(socket);
    world.await_metric(CLOSED, "reason=\"reset\"", 1);
    assert_eq!(world.metric("millrace_relay_connections", ""), 0);
}

#[test]
fn a_client_that_does_not_read_loses_answers_and_nobody_else_does() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let slow = Client::tcp(world.address());
        slow.socket().set_nonblocking(true).unwrap();
        let requests: Vec<u8> = (0..200).flat_map(binding).collect();
        let drops = || world.metric("millrace_relay_drops_total", "reason=\"stream_full\"");
        let deadline = std::time::Instant::now() + world::PATIENCE;
        let mut sent = 0;
        while drops() == 0 {
            assert!(std::time::Instant::now() < deadline, "{io:?}: nothing was dropped");
            // What is sent stays whole: a part is continued.
            match slow.socket().write(&requests[sent % requests.len()..]) {
                Ok(len) => sent += len,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let mut other = Client::tcp(world.address());
        other.write(&binding(7));
        assert_eq!(mapped(&other.read()), other.local(), "{io:?}");

        // What did arrive is whole messages.
        slow.socket().set_nonblocking(false).unwrap();
        slow.socket().shutdown(Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        slow.into_socket().read_to_end(&mut answers).unwrap();
        let mut left = &answers[..];
        while let Some(frame) = Framing::Turn.next(left, 512).unwrap() {
            assert!(Message::parse(&left[frame.message]).is_some());
            left = &left[frame.consumed..];
        }
        assert!(left.is_empty());
    }
}

#[test]
fn one_connection_too_many_of_an_address_is_closed() {
    let world = World::with(IoKind::Uring, 1, "127.0.0.1:0", |config| {
        config.streams.connections_per_address = 2;
    });
    let mut clients: Vec<_> = (0..3).map(|_| Client::tcp(world.address())).collect();

    assert_eq!(clients[2].read_end(), ErrorKind::UnexpectedEof);
    for client in &mut clients[..2] {
        client.write(&binding(1));
        assert_eq!(mapped(&client.read()), client.local());
    }
    world.await_metric(CLOSED, "reason=\"limit\"", 1);
    // One that leaves makes room.
    clients.clear();
    world.await_metric(CLOSED, "reason=\"client\"", 2);
    let mut next = Client::tcp(world.address());
    next.write(&binding(1));
    assert_eq!(mapped(&next.read()), next.local());
}

#[test]
fn a_new_relay_takes_the_port_while_old_connections_linger() {
    let world = World::new(IoKind::Uring, 2);
    let address = world.address();
    let mut client = Client::tcp(address);
    client.write(&binding(1));
    client.read();
    drop(world);

    let world = World::listening(IoKind::Uring, 2, &address.to_string());
    assert_eq!(client.read_end(), ErrorKind::UnexpectedEof);
    let mut client = Client::tcp(world.address());
    client.write(&binding(1));
    assert_eq!(mapped(&client.read()), client.local());
}

#[test]
fn tls_is_spoken_in_both_versions_with_and_without_protocol_names() {
    for io in BACKENDS {
        let world = tls_world(io, 1);
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            for protocols in [&[][..], &[b"stun.turn".to_vec()]] {
                let mut client = world.client(version, protocols);
                client.write(&binding(1));
                assert_eq!(mapped(&client.read()), client.local(), "{io:?} {version:?}");
                let agreed = client.protocol();
                assert_eq!(agreed.as_ref(), protocols.first(), "{io:?} {version:?}");
            }
        }
        world.world.await_metric("millrace_relay_connections_accepted_total", "kind=\"tls\"", 4);
        world.world.await_metric(CLOSED, "reason=\"client\"", 4);
        assert_eq!(world.world.metric(CLOSED, "reason=\"handshake\""), 0);
    }
}

#[test]
fn other_protocols_behind_tls_are_refused() {
    let world = tls_world(IoKind::Uring, 1);
    let mut client = world.client(&rustls::version::TLS13, &[b"h2".to_vec()]);

    let alert = client.try_read().unwrap_err().to_string();
    assert!(alert.contains("NoApplicationProtocol"), "{alert}");
    let mut plain = Client::tcp(world.address());
    plain.write(&binding(1));
    plain.drain();
    world.world.await_metric(CLOSED, "reason=\"handshake\"", 2);
}

#[test]
fn a_tls_client_gets_single_bytes_and_long_trains_through() {
    let world = tls_world(IoKind::Uring, 1);
    let mut client = world.client(&rustls::version::TLS13, &[]);
    for byte in binding(1) {
        client.write(&[byte]);
    }
    assert_eq!(mapped(&client.read()), client.local());

    // More than a record of TLS holds.
    let together: Vec<u8> = (0..200).cycle().take(2_000).flat_map(binding).collect();
    let mut asked = 0;
    for part in together.chunks(17_001) {
        client.write(part);
        asked += part.len();
        while asked > 20_000 {
            client.read();
            asked -= binding(1).len();
        }
    }
}

#[test]
fn tls_ends_with_a_word() {
    let world = tls_world(IoKind::Uring, 1);
    let mut client = world.client(&rustls::version::TLS13, &[]);
    client.write(&binding(1));
    client.close();

    // An end without the word would be an error.
    assert_eq!(mapped(&client.read()), client.local());
    assert_eq!(client.try_read().unwrap(), 0);
    world.world.await_metric(CLOSED, "reason=\"client\"", 1);
}

#[test]
fn many_handshakes_at_once_are_all_done() {
    let world = tls_world(IoKind::Uring, 2);
    let mut clients: Vec<_> = (0..24).map(|_| world.client(&rustls::version::TLS13, &[])).collect();
    for client in &mut clients {
        client.begin();
    }
    for client in &mut clients {
        client.write(&binding(3));
    }
    for client in &mut clients {
        assert_eq!(mapped(&client.read()), client.local());
    }
}

#[test]
fn a_changed_certificate_is_shown_without_anybody_losing_his_connection() {
    let mut world = world::streams::tls_world_with_files(IoKind::Uring, 2);
    let mut old = world.client(&rustls::version::TLS13, &[]);
    old.write(&binding(1));
    assert_eq!(mapped(&old.read()), old.local());

    // Not a certificate: the one before stays.
    std::fs::write(world.certificate_file(), "nonsense").unwrap();
    world.look();
    let mut still = world.client(&rustls::version::TLS13, &[]);
    still.write(&binding(2));
    assert_eq!(mapped(&still.read()), still.local());

    let before = world.certificate.clone();
    world.write_certificate();
    let deadline = std::time::Instant::now() + world::PATIENCE;
    loop {
        let mut new = world.client(&rustls::version::TLS12, &[]);
        new.write(&binding(3));
        if new.try_read().is_ok() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the new certificate is not shown");
    }
    assert_ne!(before, world.certificate);
    old.write(&binding(4));
    assert_eq!(mapped(&old.read()), old.local());
}

#[test]
fn the_self_signed_certificate_names_the_host_and_is_kept() {
    let world = tls_world(IoKind::Uring, 1);
    let first = world.certificate.clone();
    let again = world.restart();

    assert_eq!(first, again.certificate);
}

#[test]
fn a_check_on_a_connection_is_answered_by_the_room_whichever_shard_accepted_it() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        let rooms = [world.admitted(1), world.admitted(2)];
        assert_ne!(rooms[0].shard, rooms[1].shard, "rooms are spread");
        assert_eq!(rooms[0].candidates_tcp, [world.address()]);

        // The kernel picks a listener by the client's port: with so many clients each shard gets
        // some of the other's.
        let mut clients = Vec::new();
        for _ in 0..8 {
            for opened in &rooms {
                let mut client = Client::ice(world.address());
                client.send(&world::request(opened));
                let seen = world::answer(&client.read(), opened);
                assert_eq!(seen, Some(client.local()), "{io:?}");
                clients.push((client, opened));
            }
        }
        world.await_metric("millrace_relay_connections_moved_total", "direction=\"in\"", 1);
        // They stay where they are.
        for (client, opened) in &mut clients {
            client.send(&world::request(opened));
            assert_eq!(world::answer(&client.read(), opened), Some(client.local()));
        }
        assert_eq!(world.metric(CLOSED, "reason=\"stranded\""), 0);
    }
}

#[test]
fn a_port_that_tcp_has_is_named_with_the_fix() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let refusal = |listen: &str, tls: Option<SocketAddr>| {
        let directory = world::Directory::new();
        let mut config = world::config(&directory, IoKind::Uring, 2, listen);
        config.turn.tls_listen.extend(tls);
        match relay_server::start(&config, std::sync::Arc::new(|_| {})) {
            Ok(_) => panic!("{address} was taken twice"),
            Err(error) => error.to_string(),
        }
    };

    let text = refusal(&address.to_string(), None);
    assert!(
        text.starts_with(&format!("media.listen = {address}: the TCP port is taken")),
        "{text}"
    );
    let text = refusal("127.0.0.1:0", Some(address));
    let start = format!("turn.tls_listen = {address}: the TCP port is taken");
    assert!(text.starts_with(&start) && text.contains("choose another port"), "{text}");
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let directory = world::Directory::new();
    let (certificate, key) = (directory.0.join("certificate.pem"), directory.0.join("key.pem"));
    std::fs::write(&certificate, "nonsense").unwrap();
    let mut config = world::config(&directory, IoKind::Uring, 1, "127.0.0.1:0");
    config.turn.tls_listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.turn.tls_files = Some((certificate.clone(), key));

    let error = relay_server::start(&config, std::sync::Arc::new(|_| {})).map(drop).unwrap_err();
    assert!(error.to_string().contains(&certificate.display().to_string()), "{error}");
}
