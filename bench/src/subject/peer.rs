//! A server that an adapter describes, running: its files, its ports, and when it is ready.

use super::Process;
use super::adapter::{Adapter, JoinAccess, Protocol, Ready, TurnAccess};
use super::process::leash;
use super::template::{Template, Values};
use crate::directory::Directory;
use crate::log::Log;
use crate::net;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time for a server to be ready.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// How often a port is looked for that is free for UDP and TCP.
const PORT_TRIES: usize = 100;

/// A server that is ready; it ends with this value.
pub(crate) struct Peer {
    /// Its process.
    pub(crate) process: Process,
    /// How clients reach it as a TURN server.
    pub(crate) turn: Option<Turn>,
    /// How participants join its rooms.
    pub(crate) join: Option<Join>,
}

/// How clients reach a TURN server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    /// By UDP and TCP.
    pub(crate) address: SocketAddr,
    /// By TLS, if it does.
    pub(crate) tls: Option<SocketAddr>,
    /// User and password, if it asks.
    pub(crate) credentials: Option<(String, String)>,
}

/// How participants join a server's rooms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Join {
    /// What is spoken.
    pub(crate) protocol: Protocol,
    /// Where, as `ws://HOST:PORT`.
    pub(crate) url: String,
    /// Key and secret of the tokens (LiveKit, WHIP).
    pub(crate) key: Option<(String, String)>,
}

impl Adapter {
    /// Starts the server on an address of this machine, and waits until it is ready.
    pub(crate) fn start(&self, ip: IpAddr) -> Result<Peer> {
        let directory = Directory::new()?;
        let values = self.values(ip, directory.path())?;
        for (name, template) in &self.files {
            write_private(&directory.path().join(name), &template.fill(&values)?)?;
        }
        let (process, log) = self.spawn(&values, directory)?;
        let mut peer = Peer {
            process,
            turn: self.turn.as_ref().map(|access| access.fill(&values)).transpose()?,
            join: self.join.as_ref().map(|access| access.fill(&values)).transpose()?,
        };
        self.wait_until_ready(&mut peer, &log, &values)
            .with_context(|| format!("{} does not start", self.name))?;

        Ok(peer)
    }

    /// What the names in its templates stand for.
    fn values(&self, ip: IpAddr, directory: &Path) -> Result<Values> {
        let mut values = Values::from([
            ("dir", directory.display().to_string()),
            ("ip", host(ip)),
            ("secret", format!("{:032x}", rand::random::<u128>())),
        ]);
        // Held until all are found, or one port would be found twice.
        let mut held = Vec::new();
        for name in ["port", "tls_port", "rtc_port", "rtc_tcp_port"] {
            let (port, sockets) = free_port(ip)?;
            values.insert(name, port.to_string());
            held.push(sockets);
        }
        if self.templates().any(|template| template.names("cert") || template.names("key")) {
            let pair = rcgen::generate_simple_self_signed(vec![ip.to_string()])?;
            for (name, pem) in
                [("cert", pair.cert.pem()), ("key", pair.signing_key.serialize_pem())]
            {
                let path = directory.join(format!("{name}.pem"));
                write_private(&path, &pem)?;
                values.insert(name, path.display().to_string());
            }
        }

        Ok(values)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.arguments.iter().chain(self.environment.values()).chain(self.files.values())
    }

    fn spawn(&self, values: &Values, directory: Directory) -> Result<(Process, Log)> {
        let mut command = Command::new(&self.program);
        for argument in &self.arguments {
            command.arg(argument.fill(values)?);
        }
        for (name, template) in &self.environment {
            command.env(name, template.fill(values)?);
        }
        command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        leash(&mut command);
        let mut child = command.spawn().map_err(|error| self.missing(&error))?;
        let wanted = match &self.ready {
            Ready::Log(text) => Some(text.fill(values)?),
            Ready::Tcp(_) | Ready::Stun(_) => None,
        };
        let log = Log::of(&mut child, wanted);
        let process = Process::Child { child, log: log.clone(), _directory: Some(directory) };

        Ok((process, log))
    }

    fn wait_until_ready(&self, peer: &mut Peer, log: &Log, values: &Values) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            peer.process.check()?;
            let is_ready = match &self.ready {
                Ready::Log(_) => log.is_found(),
                Ready::Tcp(address) => TcpStream::connect(parse(address, values)?).is_ok(),
                Ready::Stun(address) => answers_binding(parse(address, values)?)?,
            };
            if is_ready {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        let seconds = START_TIMEOUT.as_secs();

        bail!("it was not ready in {seconds} s; its last lines:\n{}", log.last_lines())
    }
}

impl TurnAccess {
    fn fill(&self, values: &Values) -> Result<Turn> {
        let credentials = self.user.as_ref().zip(self.password.as_ref());

        Ok(Turn {
            address: parse(&self.address, values)?,
            tls: self.tls.as_ref().map(|address| parse(address, values)).transpose()?,
            credentials: pair(credentials, values)?,
        })
    }
}

impl JoinAccess {
    fn fill(&self, values: &Values) -> Result<Join> {
        Ok(Join {
            protocol: self.protocol,
            url: self.url.fill(values)?,
            key: pair(self.key.as_ref().zip(self.secret.as_ref()), values)?,
        })
    }
}

fn pair(pair: Option<(&Template, &Template)>, values: &Values) -> Result<Option<(String, String)>> {
    pair.map(|(a, b)| Ok((a.fill(values)?, b.fill(values)?))).transpose()
}

fn parse(address: &Template, values: &Values) -> Result<SocketAddr> {
    let text = address.fill(values)?;

    text.parse().with_context(|| format!("`{text}` is not an address like 127.0.0.1:3478"))
}

/// Whether a STUN server answers a Binding request at once.
pub(crate) fn answers_binding(server: SocketAddr) -> Result<bool> {
    let socket = UdpSocket::bind((net::address::towards(server)?, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    socket.connect(server)?;
    // RFC 8489, section 5: Binding, nothing in it, the magic cookie, a transaction.
    let mut request = *b"\0\x01\0\0\x21\x12\xa4\x42............";
    request[8..].copy_from_slice(&rand::random::<[u8; 12]>());
    // Refused until it listens.
    let asked = socket.send(&request);

    Ok(asked.is_ok() && socket.recv(&mut [0; 512]).is_ok())
}

/// A port that was free for UDP and TCP a moment ago, and what holds it.
fn free_port(ip: IpAddr) -> Result<(u16, (TcpListener, UdpSocket))> {
    for _ in 0..PORT_TRIES {
        let tcp = TcpListener::bind((ip, 0)).with_context(|| format!("no free port at {ip}"))?;
        let port = tcp.local_addr()?.port();
        if let Ok(udp) = UdpSocket::bind((ip, port)) {
            return Ok((port, (tcp, udp)));
        }
    }

    bail!("no port at {ip} is free for both UDP and TCP")
}

/// An address as it stands before a port.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;

    Ok(file.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn shell(script: &str, ready: &str) -> Adapter {
        let text = format!(
            "name = \"x\"\nkind = \"turn\"\npackage = \"x\"\nprogram = \"sh\"\nversion = []\n\
             arguments = [\"-c\", '''{script}''']\nready = {ready}\n\
             [turn]\naddress = \"{{ip}}:{{port}}\"\nuser = \"u\"\npassword = \"{{secret}}\"\n\
             [files]\nconf = \"secret={{secret}} cert={{cert}}\"\n"
        );

        toml::from_str(&text).unwrap()
    }

    #[test]
    fn files_are_private_and_filled_in_and_all_ends_with_the_value() {
        let adapter = shell("cat conf; ls -l; echo; exec sleep 100", "{ log = \"secret=\" }");
        let peer = adapter.start(LOCALHOST).unwrap();
        let turn = peer.turn.as_ref().unwrap();
        let (user, password) = turn.credentials.clone().unwrap();
        let Process::Child { _directory: Some(directory), .. } = &peer.process else {
            panic!("a child with files")
        };
        let path = directory.path().to_owned();
        let pid = peer.process.pid().unwrap();
        let conf = fs::read_to_string(path.join("conf")).unwrap();

        assert_eq!((user.as_str(), turn.address.ip()), ("u", LOCALHOST));
        let pem = path.join("cert.pem");
        assert_eq!(conf, format!("secret={password} cert={}", pem.display()));
        assert!(fs::read_to_string(pem).unwrap().starts_with("-----BEGIN"));
        drop(peer);
        assert!(!path.exists());
        assert!(!Path::new(&format!("/proc/{pid}/exe")).exists());
    }

    #[test]
    fn built_in_ones_start_and_tell_their_version() {
        for adapter in Adapter::built_in() {
            assert!(adapter.version().unwrap().contains('.'), "{}", adapter.name);
            let peer = adapter.start(Ipv4Addr::new(127, 99, 0, 1).into()).unwrap();
            assert!(peer.turn.is_some() || peer.join.is_some());
        }
    }

    #[test]
    fn server_that_ends_shows_its_last_lines() {
        let adapter = shell("echo no such option >&2; exit 3", "{ tcp = \"{ip}:{port}\" }");

        let error = format!("{:#}", adapter.start(LOCALHOST).err().unwrap());

        assert!(error.contains("x does not start"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
