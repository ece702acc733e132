//! The server under test: started for the run, or somebody else's.

use crate::directory::Directory;
use crate::log::Log;
use crate::subject::leash;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time for a server to say that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// A server of our own, on ports of its own; it ends with this value.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    _data: Directory,
    log: Log,
}

impl Server {
    /// Starts `millrace serve` at an address of this machine with further `settings`
    /// (`section.key=value`) and waits until it is ready.
    pub(crate) fn start(binary: Option<&Path>, ip: IpAddr, settings: &[String]) -> Result<Self> {
        Self::launch(binary, ip, settings, None)
    }

    /// The same; the kernel relays at a card. What the server pins for its successor ends with it:
    /// it has a BPF file system that nobody else sees.
    pub(crate) fn start_offloaded(
        binary: Option<&Path>,
        ip: IpAddr,
        settings: &[String],
        card: &str,
    ) -> Result<Self> {
        Self::launch(binary, ip, settings, Some(card))
    }

    fn launch(
        binary: Option<&Path>,
        ip: IpAddr,
        settings: &[String],
        card: Option<&str>,
    ) -> Result<Self> {
        let binary = binary.map_or_else(find_binary, |path| Ok(path.to_owned()))?;
        let (address, secure, media) = free_ports(ip)?;
        let data = Directory::new()?;
        let bpf = data.path().join("bpf");
        let mut command = match card {
            Some(_) => with_file_system(&bpf, &binary)?,
            None => Command::new(&binary),
        };
        command.arg("serve");
        let mut own = vec![
            format!("http.listen={address}"),
            format!("http.tls_listen={secure}"),
            format!("media.listen={media}"),
            format!("media.advertise={}", media.ip()),
            format!("data.directory={}", data.path().display()),
        ];
        if let Some(card) = card {
            own.push(format!("xdp.interface=[\"{card}\"]"));
            own.push(format!("xdp.pins={}", bpf.join("millrace").display()));
        }
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        leash(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let log = Log::of(&mut child, None);
        let mut server = Self { child, address, _data: data, log };
        server.wait_until_ready()?;

        Ok(server)
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// An error with its last lines if the server has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };

        bail!("the server ended ({status}); its last lines:\n{}", self.log.last_lines())
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server ended at once ({status}); its last lines:\n{}",
                    self.log.last_lines()
                );
            }
            if is_ready(self.address) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }

        let seconds = START_TIMEOUT.as_secs();
        bail!("the server was not ready in {seconds} s; its last lines:\n{}", self.log.last_lines())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What runs a program with a BPF file system at `path`, in a mount namespace that ends with it.
fn with_file_system(path: &Path, program: &Path) -> Result<Command> {
    fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut command = Command::new("unshare");
    let mount = "mount -t bpf bpf \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", mount]).args([path, program]);

    Ok(command)
}

/// The binary beside this one, else the one in the search path.
fn find_binary() -> Result<PathBuf> {
    let beside = env::current_exe()?.with_file_name("millrace");
    if beside.is_file() {
        return Ok(beside);
    }
    let paths = env::var_os("PATH").unwrap_or_default();

    env::split_paths(&paths).map(|path| path.join("millrace")).find(|path| path.is_file()).context(
        "no `millrace` beside this program or in PATH: build it with `cargo build --release`, \
         name it with --server-binary, or give the --url of one that runs",
    )
}

/// Ports of an address that were free a moment ago: HTTP, HTTPS, media.
fn free_ports(ip: IpAddr) -> Result<(SocketAddr, SocketAddr, SocketAddr)> {
    let http = TcpListener::bind((ip, 0))?;
    let https = TcpListener::bind((ip, 0))?;
    // Media is TCP and UDP on one port.
    let media = TcpListener::bind((ip, 0))?;

    Ok((http.local_addr()?, https.local_addr()?, media.local_addr()?))
}

fn is_ready(address: SocketAddr) -> bool {
    let timeout = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&address, timeout) else { return false };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut status = [0; 12];
    let answered = stream.set_read_timeout(Some(timeout)).is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut status).is_ok();

    answered && status.ends_with(b" 200")
}
