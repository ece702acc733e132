//! Clients on TCP and TLS, and a relay that speaks TLS.

use super::{Directory, PATIENCE, World, config};
use relay_server::{Config, IoKind};
use relay_wire::stream::Framing;
use relay_wire::stun::{Class, Message, Method, Writer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

/// The name of the relay's certificate.
const NAME: &str = "turn.example.org";

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A client that frames messages as TURN does, or as ICE does.
pub struct Client {
    stream: Stream,
    framing: Framing,
    received: Vec<u8>,
}

impl Client {
    pub fn tcp(to: SocketAddr) -> Self {
        Self::new(Stream::Tcp(connect(to)), Framing::Turn)
    }

    pub fn ice(to: SocketAddr) -> Self {
        Self::new(Stream::Tcp(connect(to)), Framing::Ice)
    }

    fn new(stream: Stream, framing: Framing) -> Self {
        Self { stream, framing, received: Vec::new() }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(socket) => socket,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    pub fn into_socket(self) -> TcpStream {
        match self.stream {
            Stream::Tcp(socket) => socket,
            Stream::Tls(tls) => tls.sock,
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.socket().local_addr().unwrap()
    }

    /// The protocol that was agreed on by ALPN.
    pub fn protocol(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Tls(tls) => tls.conn.alpn_protocol().map(<[u8]>::to_vec),
        }
    }

    /// Sends the first message of a TLS handshake.
    pub fn begin(&mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.write_tls(&mut tls.sock).unwrap();
        }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        // What is wrong with a connection is seen when it is read.
        let _ = match &mut self.stream {
            Stream::Tcp(socket) => socket.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        };
    }

    /// Sends a message in its frame.
    pub fn send(&mut self, message: &[u8]) {
        let mut frame = Vec::new();
        if self.framing == Framing::Ice {
            frame.extend_from_slice(&(message.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(message);
        self.write(&frame);
    }

    /// Says that nothing more will be sent.
    pub fn close(&mut self) {
        match &mut self.stream {
            Stream::Tcp(socket) => socket.shutdown(std::net::Shutdown::Write).unwrap(),
            Stream::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush().unwrap();
            }
        }
    }

    /// The next message.
    pub fn read(&mut self) -> Vec<u8> {
        loop {
            if let Some(message) = self.cut() {
                return message;
            }
            assert_ne!(self.try_read().unwrap(), 0, "the connection ended");
        }
    }

    /// The next message, if it is there; the socket must not block.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.cut().or_else(|| {
            let _ = self.try_read();
            self.cut()
        })
    }

    fn cut(&mut self) -> Option<Vec<u8>> {
        let frame = self.framing.next(&self.received, 65_540).unwrap()?;
        let message = self.received[frame.message].to_vec();
        self.received.drain(..frame.consumed);

        Some(message)
    }

    /// Reads what comes next; 0 at the end.
    pub fn try_read(&mut self) -> Result<usize> {
        let mut buffer = [0; 16_384];
        let len = match &mut self.stream {
            Stream::Tcp(socket) => socket.read(&mut buffer)?,
            Stream::Tls(tls) => tls.read(&mut buffer)?,
        };
        self.received.extend_from_slice(&buffer[..len]);

        Ok(len)
    }

    /// How the connection ends, when nothing more comes.
    pub fn read_end(&mut self) -> ErrorKind {
        match self.try_read() {
            Ok(0) => ErrorKind::UnexpectedEof,
            Ok(len) => panic!("{len} more bytes"),
            Err(error) => error.kind(),
        }
    }

    /// Reads to the end, however it comes.
    pub fn drain(&mut self) {
        while self.try_read().is_ok_and(|len| len > 0) {}
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();

    socket
}

/// A Binding request whose transaction begins with `number`.
pub fn binding(number: u8) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let id = [number; 12];
    let writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &id);
    let len = writer.finish().unwrap();
    buffer.truncate(len);

    buffer
}

/// The address that a Binding response tells.
pub fn mapped(response: &[u8]) -> SocketAddr {
    let response = Message::parse(response).unwrap();
    assert_eq!(response.class(), Class::Success);

    response.xor_mapped_address().unwrap()
}

/// A relay with TURN over TLS, and its certificate, which clients trust.
pub struct TlsWorld {
    pub world: World,
    pub certificate: CertificateDer<'static>,
    files: Option<(PathBuf, PathBuf)>,
    io: IoKind,
}

/// A relay with a self-signed certificate.
pub fn tls_world(io: IoKind, shards: u16) -> TlsWorld {
    TlsWorld::start(io, shards, Directory::new(), false, |_| {})
}

/// A relay with an operator's certificate.
pub fn tls_world_with_files(io: IoKind, shards: u16) -> TlsWorld {
    TlsWorld::start(io, shards, Directory::new(), true, |_| {})
}

/// A relay with a self-signed certificate, configured further.
pub fn tls_world_with(io: IoKind, shards: u16, change: impl FnOnce(&mut Config)) -> TlsWorld {
    TlsWorld::start(io, shards, Directory::new(), false, change)
}

impl TlsWorld {
    fn start(
        io: IoKind,
        shards: u16,
        directory: Directory,
        operators: bool,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config(&directory, io, shards, "127.0.0.1:0");
        change(&mut config);
        config.turn.tls_listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.turn.hostname = Some(NAME.into());
        let at = |name| directory.0.join(name);
        let files = operators.then(|| (at("certificate.pem"), at("key.pem")));
        config.turn.tls_files.clone_from(&files);
        let made = files.as_ref().map(write_certificate);
        let kept = at("turn-self-signed.pem");
        let world = World::start(&config, directory);
        let certificate = made.unwrap_or_else(|| CertificateDer::from_pem_file(kept).unwrap());

        Self { world, certificate, files, io }
    }

    /// Ends the relay and starts one with the same data directory.
    pub fn restart(self) -> Self {
        let World { relay, directory, .. } = self.world;
        let shards = relay.shards();
        relay.stop();

        Self::start(self.io, shards, directory, self.files.is_some(), |_| {})
    }

    pub fn address(&self) -> SocketAddr {
        self.world.relay.tls_listen()[0]
    }

    /// The file of the operator's certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.files.clone().unwrap().0
    }

    /// Lets the relay look at its files at once.
    pub fn look(&self) {
        let tls_files = self.files.clone();
        let settings = relay_server::TurnSettings { tls_files, ..Default::default() };
        self.world.relay.handle().reconfigure_turn(&settings).unwrap();
    }

    /// Puts another certificate into the files.
    pub fn write_certificate(&mut self) {
        self.certificate = write_certificate(self.files.as_ref().unwrap());
    }

    /// A client that trusts the certificate.
    pub fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        protocols: &[Vec<u8>],
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.to_vec();
        let name = ServerName::try_from(NAME).unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = StreamOwned::new(session, connect(self.address()));

        Client::new(Stream::Tls(Box::new(stream)), Framing::Turn)
    }
}

fn write_certificate((certificate, key): &(PathBuf, PathBuf)) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();

    made.cert.der().clone()
}
