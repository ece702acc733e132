//! A client's TCP or TLS connection, and the messages in it (RFC 8656, sections 7.1 and 12.5).

use anyhow::{Context, Result};
use relay_wire::stream::Framing;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Time for TCP to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that may wait for a slow connection before packets are held back.
const PENDING_MAX: usize = 256 << 10;
/// Bytes read by one call.
const READ_BYTES: usize = 64 << 10;

/// A connection that never blocks.
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    pending: Vec<u8>,
    input: Vec<u8>,
    read: usize,
}

impl Stream {
    /// Connects from a source address, with TLS or without.
    pub(super) fn connect(server: SocketAddr, source: IpAddr, tls: bool) -> Result<Self> {
        let domain = socket2::Domain::for_address(server);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket
            .connect_timeout(&server.into(), CONNECT_TIMEOUT)
            .with_context(|| format!("no server at {server} by TCP"))?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let tls = tls.then(|| tls_connection(server)).transpose()?.map(Box::new);

        Ok(Self { socket, tls, pending: Vec::new(), input: Vec::new(), read: 0 })
    }

    /// Sends bytes, or keeps what does not go now; false if too much is kept to take these.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.pending.len() > PENDING_MAX {
            self.flush()?;
            return Ok(false);
        }
        match &mut self.tls {
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                tls.write_tls(&mut self.pending)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.pending)?;
                }
            }
            None => self.pending.extend_from_slice(bytes),
        }
        self.flush()?;

        Ok(true)
    }

    /// Reads what is there.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.input.drain(..self.read);
        self.read = 0;
        loop {
            let more = match &mut self.tls {
                None => read_some(&mut self.socket, &mut self.input)?,
                Some(tls) => match tls.read_tls(&mut self.socket) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => {
                        let state = tls.process_new_packets().map_err(io::Error::other)?;
                        let start = self.input.len();
                        self.input.resize(start + state.plaintext_bytes_to_read(), 0);
                        tls.reader().read_exact(&mut self.input[start..])?;
                        while tls.wants_write() {
                            tls.write_tls(&mut self.pending)?;
                        }
                        true
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
                    Err(error) => return Err(error),
                },
            };
            if !more {
                return self.flush();
            }
        }
    }

    /// The next whole message of what was read.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = &self.input[self.read..];
        let frame = Framing::Turn
            .next(rest, usize::MAX)
            .map_err(|_| io::Error::other("the server sent what is no message of TURN"))?;
        let Some(frame) = frame else { return Ok(None) };
        self.read += frame.consumed;

        Ok(Some(&rest[frame.message]))
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.pending.drain(..len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }

        Ok(())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Reads once; false if there is nothing now.
fn read_some(socket: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<bool> {
    let start = input.len();
    input.resize(start + READ_BYTES, 0);
    let result = socket.read(&mut input[start..]);
    input.truncate(start + *result.as_ref().unwrap_or(&0));
    match result {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn tls_connection(server: SocketAddr) -> Result<ClientConnection> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();

    Ok(ClientConnection::new(Arc::new(config), ServerName::from(server.ip()))?)
}

/// Takes any certificate: this is load, not trust, and servers under test sign their own.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
