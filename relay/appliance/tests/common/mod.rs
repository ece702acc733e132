//! Runs the binary, each test in a directory of its own.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

pub(crate) mod turn;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A place to run in: nothing of this machine's configuration or environment gets in.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{number}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory }
    }

    pub(crate) fn file(&self, text: &str) -> String {
        let path = self.directory.join("millrace.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
        command.args(args).current_dir(&self.directory).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs what must fail for its configuration: the one line that it prints.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("millrace: ")).collect();
        assert_eq!(lines.len(), 1, "{args:?}: {text}");
        lines[0].to_owned()
    }

    /// Asks for a WebSocket on `/rtc`, with a token of `token create`.
    pub(crate) fn join(&self, http: u16, options: &[&str]) -> TcpStream {
        let token = ["token", "create", "--identity", "ann", "--room", "demo"];
        let token = self.run(&[options, &token].concat()).stdout;
        let token = String::from_utf8(token).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", http)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            stream,
            "GET /rtc?access_token={} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            token.trim()
        )
        .unwrap();

        stream
    }

    /// Starts a service; it is killed when dropped.
    pub(crate) fn start(&self, args: &[&str], environment: &[(&str, &str)]) -> Service {
        let mut command = self.command(args);
        command.envs(environment.iter().copied());
        Service { child: command.spawn().unwrap() }
    }
}

/// What a service tells its service manager (`NOTIFY_SOCKET`).
pub(crate) struct Notified {
    socket: UnixDatagram,
    path: String,
}

impl Notified {
    pub(crate) fn new(place: &Place) -> Self {
        let path = place.directory.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { socket, path: path.to_str().unwrap().to_owned() }
    }

    pub(crate) fn environment(&self) -> (&str, &str) {
        ("NOTIFY_SOCKET", &self.path)
    }

    /// The next that it tells.
    pub(crate) fn told(&self) -> String {
        self.told_or_none().expect("the service tells something")
    }

    /// The next that it tells, if it tells anything in time.
    pub(crate) fn told_or_none(&self) -> Option<String> {
        let mut bytes = [0; 64];
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(len) => return Some(String::from_utf8_lossy(&bytes[..len]).into_owned()),
                // A wait with an end is not begun again by the kernel.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Has the service read its configuration again, and waits until it has.
    pub(crate) fn reload(&self, service: &Service) {
        service.signal("HUP");
        assert!(self.told().starts_with("RELOADING=1\n"));
        assert_eq!(self.told(), "READY=1");
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) child: Child,
}

impl Service {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(killed.success());
    }

    /// The exit code and how long it took.
    pub(crate) fn wait(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), begin.elapsed())
    }

    pub(crate) fn output(&mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (out, err)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for TCP and UDP.
pub(crate) fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Asks until there is an answer with this status; its body.
pub(crate) fn get(port: u16, path: &str, wanted: u16) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask(port, path).unwrap_or_default();
        if answer.starts_with(&format!("HTTP/1.1 {wanted}")) {
            return answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap();
        }
        assert!(Instant::now() < deadline, "{path}: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ask(port: u16, path: &str) -> std::io::Result<String> {
    request(port, &format!("GET {path}"), "", "")
}

/// The whole answer to a request; `headers` end each with a line's end.
pub(crate) fn request(port: u16, what: &str, headers: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let len = body.len();
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n\
         {headers}\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
