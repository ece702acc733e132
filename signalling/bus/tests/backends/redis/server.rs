//! A redis-server of the test's own, killed when it ends.

use crate::scratch::Scratch;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time in which a server must be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of loopback that was free; nothing is saved on disk.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Child,
    _scratch: Scratch,
}

impl Server {
    /// Starts one with these arguments besides.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let mut all = vec!["--port", &port_text];
        all.extend(arguments);

        Self::start_on(port, &all)
    }

    /// Starts one whose arguments say which port it has.
    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Self {
        let scratch = Scratch::made();
        let own = scratch.0.to_str().expect("a plain path").to_owned();
        let usual = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &own];
        let arguments: Vec<String> =
            arguments.iter().chain(&usual).map(|argument| (*argument).to_owned()).collect();
        let child = spawn(&arguments);
        let server = Self { port, arguments, child, _scratch: scratch };
        server.wait_until_there();

        server
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a server to kill");
        self.child.wait().expect("a dead server");
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.arguments);
        self.wait_until_there();
    }

    /// Stops it in its tracks, or has it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// The reply to a command: its line, or the text that the line announces.
    pub(crate) fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{command}\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some(length) = line.strip_prefix('$') else { return line.trim_end().to_owned() };
        let mut text = vec![0; length.trim_end().parse().unwrap()];
        reader.read_exact(&mut text).unwrap();

        String::from_utf8(text).unwrap()
    }

    fn wait_until_there(&self) {
        wait_for("redis-server", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something outside, which has no other way of telling.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waiting in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port of loopback that nobody has.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap().port()
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is missing: install the package redis-server")
}
