//! coturn's turnserver on loopback: one relay thread, long-term credentials, nothing logged.

use super::stun::Credentials;
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program, as Debian's package installs it.
const PROGRAM: &str = "turnserver";

/// Its version, or what to do without it.
pub(super) fn version() -> Result<String> {
    let output = Command::new(PROGRAM)
        .arg("--version")
        .output()
        .context("no `turnserver` in PATH: install it with `apt-get install coturn`")?;
    let text = String::from_utf8_lossy(&output.stdout);

    Ok(text.split_whitespace().next().unwrap_or("unknown").to_owned())
}

/// Starts it with files in `directory`; `secure` is where it listens for TLS.
pub(super) fn start(
    directory: &Path,
    listen: SocketAddr,
    secure: Option<SocketAddr>,
    credentials: &Credentials,
) -> Result<Child> {
    let path = |name: &str| directory.join(name).display().to_string();
    let Credentials { user, password } = credentials;
    let ip = listen.ip();
    let mut lines = vec![
        format!("listening-ip={ip}"),
        format!("listening-port={}", listen.port()),
        format!("relay-ip={ip}"),
        "relay-threads=1".to_owned(),
        "lt-cred-mech".to_owned(),
        format!("user={user}:{password}"),
        "realm=bench".to_owned(),
        "allow-loopback-peers".to_owned(),
        "no-dtls".to_owned(),
        "no-cli".to_owned(),
        "no-stdout-log".to_owned(),
        "log-file=/dev/null".to_owned(),
        format!("pidfile={}", path("pid")),
        format!("userdb={}", path("turndb")),
    ];
    match secure {
        None => lines.push("no-tls".to_owned()),
        Some(secure) => {
            let pair = rcgen::generate_simple_self_signed(vec![ip.to_string()])?;
            write_private(&directory.join("cert.pem"), &pair.cert.pem())?;
            write_private(&directory.join("key.pem"), &pair.signing_key.serialize_pem())?;
            lines.push(format!("tls-listening-port={}", secure.port()));
            lines.push(format!("cert={}", path("cert.pem")));
            lines.push(format!("pkey={}", path("key.pem")));
        }
    }
    let file = directory.join("turnserver.conf");
    write_private(&file, &(lines.join("\n") + "\n"))?;

    Command::new(PROGRAM)
        .arg("-c")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start turnserver")
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;

    Ok(file.write_all(text.as_bytes())?)
}
