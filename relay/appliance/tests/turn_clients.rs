//! coturn's own clients (Debian package coturn) against our server, in the modes that coturn
//! itself passes.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Place, Service, free_port, get};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one is let that does not always end.
const HOSTILE: Duration = Duration::from_secs(10);

const USER: &[&str] = &["-u", "bench", "-w", "secret"];

/// Name, what follows the user in the command line, and the server's address.
type Mode<'a> = (&'a str, &'a [&'a str], &'a str);

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

const MODES: &[Mode<'static>] = &[
    ("channels to a peer", &["-e", V4], V4),
    ("indications to a peer", &["-s", "-e", V4], V4),
    ("channels, client to client", &["-y"], V4),
    ("indications, client to client", &["-y", "-s"], V4),
    ("no RTCP", &["-y", "-c"], V4),
    ("DONT-FRAGMENT", &["-g", "-e", V4], V4),
    ("padded channels", &["-D", "-e", V4], V4),
    ("extra requests", &["-G", "-e", V4], V4),
    ("ten clients", &["-y", "-m", "10"], V4),
    ("long messages", &["-y", "-l", "1300"], V4),
    ("a bandwidth asked for", &["-y", "-a", "100000"], V4),
    ("TCP to a peer", &["-t", "-e", V4], V4),
    ("TCP, client to client", &["-t", "-y"], V4),
    ("TCP, indications", &["-t", "-y", "-s"], V4),
    ("TCP, padded channels", &["-t", "-y", "-D"], V4),
    ("TLS to a peer", &["-t", "-S", "-e", V4], V4),
    ("IPv6 to a peer", &["-x", "-e", V6], V6),
    ("IPv6, client to client", &["-x", "-y"], V6),
    ("IPv4 client, IPv6 relay", &["-x", "-y"], V4),
    ("IPv6 client, IPv4 relay", &["-X", "-y"], V6),
    ("two families", &["-Z", "-y"], V4),
    ("two families to a peer", &["-Z", "-e", V4], V4),
    ("mobility", &["-M", "-y"], V4),
];

/// A server with TURN on its own ports of loopback, whose peers may be on loopback too.
struct TurnServer {
    _service: Service,
    http: u16,
    port: u16,
    tls: u16,
}

impl TurnServer {
    fn start(place: &Place, sets: &[String]) -> Self {
        let (http, port, tls) = (free_port(), free_port(), free_port());
        let mut all = vec![
            format!("http.listen={V4}:{http}"),
            "http.tls_listen=".to_owned(),
            format!(r#"media.listen=["{V4}:{port}", "[{V6}]:{port}"]"#),
            format!("turn.tls_listen={V4}:{tls}"),
            format!(r#"turn.relay_addresses=["{V4}", "{V6}"]"#),
            r#"turn.allow_peers=["127.0.0.0/8", "::1/128"]"#.to_owned(),
            "turn.users.bench=secret".to_owned(),
            "turn.quota.user=1000".to_owned(),
            format!("control.socket={}", place.directory.join("relay.sock").display()),
        ];
        all.extend_from_slice(sets);
        let mut args = vec!["serve"];
        all.iter().for_each(|set| args.extend(["--set", set.as_str()]));
        let service = place.start(&args, &[]);
        get(http, "/healthz", 200);

        Self { _service: service, http, port, tls }
    }

    fn uclient(&self, user: &[&str], mode: &Mode<'_>) -> Output {
        self.uclient_for(PATIENCE, user, mode)
    }

    fn uclient_for(&self, patience: Duration, user: &[&str], mode: &Mode<'_>) -> Output {
        let (_, args, address) = mode;
        let port = if args.contains(&"-S") { self.tls } else { self.port };
        let mut command = Command::new("turnutils_uclient");
        command.args(user).args(["-n", "3", "-z", "5", "-p", &port.to_string()]);
        command.args(*args).arg(address);
        run(command, patience)
    }

    /// Waits for a metric, which is published a few times a second.
    fn await_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !wanted(self.metric(name)) {
            assert!(Instant::now() < deadline, "{name} is {}", self.metric(name));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What was refused, for a failure's text.
    fn refusals(&self) -> String {
        let text = get(self.http, "/metrics", 200);
        let refused =
            |line: &&str| line.starts_with("millrace_turn_refused") && !line.ends_with(" 0");
        text.lines().filter(refused).collect::<Vec<_>>().join("\n")
    }

    /// The value of a metric, summed over its series.
    fn metric(&self, name: &str) -> f64 {
        let text = get(self.http, "/metrics", 200);
        let series = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let values: Vec<f64> =
            series.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no metric {name}");
        values.iter().sum()
    }
}

/// `turnutils_peer`: sends back what it gets.
struct Peer(Child);

impl Peer {
    fn start(address: &str, port: u16) -> Self {
        let mut command = Command::new("turnutils_peer");
        command.args(["-L", address, "-p", &port.to_string()]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a client, no longer than this.
fn run(mut command: Command, patience: Duration) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + patience;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

/// What another of coturn's programs prints.
fn utility(name: &str, args: &[&str]) -> String {
    let mut command = Command::new(name);
    command.args(args);
    text(&run(command, PATIENCE))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Why a run of `turnutils_uclient` is no success: it ends with 0 too readily.
fn complaint(output: &Output) -> Option<String> {
    let text = text(output);
    let totals = text.lines().rev().find_map(|line| {
        let (sent, received) =
            line.split_once("tot_send_msgs=")?.1.split_once(", tot_recv_msgs=")?;
        Some((sent.parse::<u32>().ok()?, received.parse::<u32>().ok()?))
    });
    let complete = totals.is_some_and(|(sent, received)| sent > 0 && sent == received);
    let well = output.status.success() && text.contains("Total lost packets 0 ");

    (!complete || !well).then_some(text)
}

#[test]
fn turnutils_uclient_is_served_in_every_mode_that_coturn_serves() {
    let place = Place::new();
    let server = TurnServer::start(&place, &[]);
    let peer_port = free_port();
    let _peers = [Peer::start(V4, peer_port), Peer::start(V6, peer_port)];
    let peer_port = peer_port.to_string();
    let user = [USER, &["-r", &peer_port]].concat();

    let failures: Vec<String> = thread::scope(|scope| {
        let run = |mode: &'static Mode<'static>| {
            let (server, user) = (&server, &user);
            scope.spawn(move || complaint(&server.uclient(user, mode)).map(|why| (mode.0, why)))
        };
        let runs: Vec<_> = MODES.iter().map(run).collect();
        runs.into_iter()
            .filter_map(|run| run.join().unwrap())
            .map(|(name, why)| format!("{name}:\n{why}"))
            .collect()
    });

    let refused = server.refusals();
    let count = failures.len();
    assert!(failures.is_empty(), "{count} modes fail\n{}\n{refused}", failures.join("\n"));
}

#[test]
fn rest_credentials_of_any_secret_are_served_and_wrong_ones_are_not() {
    let place = Place::new();
    let server = TurnServer::start(&place, &[r#"turn.secrets=["new", "old"]"#.to_owned()]);
    let mode = &("REST", &["-y"][..], V4);

    for secret in ["new", "old"] {
        let output = server.uclient(&["-u", "ann", "-W", secret], mode);
        assert_eq!(complaint(&output), None, "secret {secret}");
    }
    assert!(complaint(&server.uclient(&["-u", "ann", "-W", "guess"], mode)).is_some());
    assert!(complaint(&server.uclient(&["-u", "bench", "-w", "wrong"], mode)).is_some());
    server.await_metric("millrace_turn_auth_failures_total", |failures| failures >= 1.0);
}

#[test]
fn hostile_modes_leave_a_server_that_lives_and_can_be_emptied() {
    let place = Place::new();
    let server = TurnServer::start(&place, &[]);
    thread::scope(|scope| {
        for flag in ["-N", "-R", "-O", "-B"] {
            let server = &server;
            scope.spawn(move || {
                server.uclient_for(HOSTILE, USER, &("hostile", &[flag, "-e", V4], V4))
            });
        }
    });

    let socket = format!("control.socket={}", place.directory.join("relay.sock").display());
    let kicked = place.run(&["turn", "kick", "--user", "bench", "--set", &socket]);
    assert!(kicked.status.success(), "{}", text(&kicked));
    get(server.http, "/healthz", 200);
    server.await_metric("millrace_turn_allocations", |allocations| allocations == 0.0);
    assert_eq!(complaint(&server.uclient(USER, &("again", &["-y"], V4))), None);
}

#[test]
fn nat_discovery_finds_two_addresses_and_their_behaviour() {
    let place = Place::new();
    let (first, second) = (free_port(), free_port());
    let all = ["127.0.0.1", "127.0.0.2"]
        .iter()
        .flat_map(|ip| [first, second].map(|port| format!(r#""{ip}:{port}""#)))
        .collect::<Vec<_>>()
        .join(", ");
    let _server = TurnServer::start(&place, &[format!("media.listen=[{all}]")]);
    let port = first.to_string();

    let output = utility("turnutils_natdiscovery", &["-m", "-f", "-p", &port, V4]);
    assert!(output.contains("NAT with Endpoint Independent Mapping!"), "{output}");
    assert!(output.contains("NAT with Endpoint Independent Filtering!"), "{output}");

    let output = utility("turnutils_stunclient", &["-f", "-p", &port, V4]);
    assert!(output.contains(&format!("Other addr: : 127.0.0.2:{second}")), "{output}");
    assert!(output.contains("RFC 5780 response 3"), "{output}");
}
