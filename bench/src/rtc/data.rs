//! The other side of a server's data channels (RFC 8831): the association is answered, messages
//! are acknowledged and forgotten.

use bytes::Bytes;
use sctp_proto::{
    Association, DatagramEvent, Endpoint, EndpointConfig, Event, Payload, ServerConfig, StreamEvent,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// SCTP runs over DTLS, so it never sees an address; the library wants one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

/// An association, once the server has begun one.
#[derive(Default)]
pub(super) struct Data(Option<Box<(Endpoint, Option<Association>)>>);

impl Data {
    /// Takes a packet in.
    pub(super) fn receive(&mut self, packet: &[u8], now: Instant) {
        let (endpoint, association) = &mut **self.0.get_or_insert_with(|| {
            let (config, server) = (EndpointConfig::new(), ServerConfig::new());
            Box::new((Endpoint::new(Arc::new(config), Some(Arc::new(server))), None))
        });
        let event = endpoint.handle(now, PEER, None, None, Bytes::copy_from_slice(packet));
        match (event, &mut *association) {
            (Some((_, DatagramEvent::AssociationEvent(event))), Some(known)) => {
                known.handle_event(event);
            }
            (Some((_, DatagramEvent::NewAssociation(new))), None) => *association = Some(new),
            _ => {}
        }
        association.iter_mut().for_each(forget_messages);
    }

    /// Repeats what was lost.
    pub(super) fn advance(&mut self, now: Instant) {
        let Some((_, Some(association))) = self.0.as_deref_mut() else { return };
        if association.poll_timeout().is_some_and(|at| at <= now) {
            association.handle_timeout(now);
            forget_messages(association);
        }
    }

    /// Hands out what is to be sent.
    pub(super) fn pump(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) {
        let Some((_, Some(association))) = self.0.as_deref_mut() else { return };
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.payload {
                packets.iter().for_each(|packet| send(packet));
            }
        }
    }
}

/// Reads all messages, so that the server may send more.
fn forget_messages(association: &mut Association) {
    while let Some(event) = association.poll() {
        let id = match event {
            Event::Stream(StreamEvent::Readable { id }) => id,
            Event::Stream(StreamEvent::Opened { .. }) => {
                while association.accept_stream().is_some() {}
                continue;
            }
            _ => continue,
        };
        let Ok(mut stream) = association.stream(id) else { continue };
        while let Ok(Some(_)) = stream.read_sctp() {}
    }
}
