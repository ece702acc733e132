//! A client, a relay and a peer in network namespaces, and a BPF file system of their own. As
//! root: the namespaces are made and removed by the tests.

use crate::common::{Notified, Place, Service, get, request};
use crate::namespace::Namespace;
use std::net::{SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const SERVER: &str = "10.0.1.1:3478";
pub(crate) const PEER: &str = "10.0.2.2:6000";

/// What has the kernel relay, and steer.
pub(crate) const INTERFACES: &str = r#"xdp.interface=["c0", "p0"]"#;

const MILLRACE: &str = env!("CARGO_BIN_EXE_millrace");
const METRICS: u16 = 9_478;

/// How long something may take that is to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The three namespaces.
pub(crate) struct Lab {
    pub(crate) client: Namespace,
    pub(crate) relay: Namespace,
    pub(crate) peer: Namespace,
    pub(crate) place: Place,
    notify: Notified,
    bpf: PathBuf,
}

impl Lab {
    /// Two veth pairs; the relay's ends are `c0` and `p0`.
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let bpf = place.directory.join("bpf");
        std::fs::create_dir_all(&bpf).unwrap();
        run("mount", &["-t", "bpf", "bpf", bpf.to_str().unwrap()]);
        let lab = Self {
            client: Namespace::new("user"),
            relay: Namespace::new("turn"),
            peer: Namespace::new("other"),
            notify: Notified::new(&place),
            place,
            bpf,
        };
        lab.join(&lab.client, "c0", 1);
        lab.join(&lab.peer, "p0", 2);

        lab
    }

    fn join(&self, other: &Namespace, name: &str, net: u8) {
        self.relay.ip(&format!("link add {name} type veth peer name eth0 netns {}", other.name));
        for (namespace, device, host) in [(&self.relay, name, 1), (other, "eth0", 2)] {
            namespace.ip(&format!("addr add 10.0.{net}.{host}/24 dev {device}"));
            namespace.ip(&format!("link set {device} up"));
            // Undone checksums are dropped; and a veth takes redirected frames only if its other
            // end has GRO on since it is up.
            namespace.exec(&["ethtool", "-K", device, "tx", "off", "gro", "on"]);
        }
    }

    /// Starts the relay and waits until it says that it is ready.
    pub(crate) fn start(&self, more: &[&str]) -> Service {
        self.begin(self.command(more))
    }

    /// Starts all in one, which asks nothing of the kernel by itself.
    pub(crate) fn serve(&self, more: &[&str]) -> Service {
        let mut sets = self.sets();
        sets.push(format!("http.listen=127.0.0.1:{METRICS}"));
        sets.push("http.tls_listen=".to_owned());

        let service = self.begin(self.with_sets(&[MILLRACE, "serve"], &sets, more));
        // Its two halves find each other a moment later.
        self.relay.enter(|| get(METRICS, "/readyz", 200));

        service
    }

    fn begin(&self, mut command: Command) -> Service {
        let (key, value) = self.notify.environment();
        let mut service = Service { child: command.env(key, value).spawn().unwrap() };
        let told = self.notify.told_or_none();
        if told.as_deref() != Some("READY=1") {
            service.signal("KILL");
            panic!("{told:?}: {:?}", service.output());
        }

        service
    }

    /// What runs the relay in its namespace.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        self.relay_by(&[MILLRACE, "relay"], more)
    }

    fn relay_by(&self, program: &[&str], more: &[&str]) -> Command {
        let mut sets = self.sets();
        sets.push(INTERFACES.to_owned());
        sets.push(format!("metrics.listen=127.0.0.1:{METRICS}"));

        self.with_sets(program, &sets, more)
    }

    fn sets(&self) -> Vec<String> {
        vec![
            format!("xdp.pins={}", self.pins()),
            format!("media.listen={SERVER}"),
            "media.shards=2".to_owned(),
            "turn.relay_addresses=10.0.2.1".to_owned(),
            "turn.allow_peers=10.0.0.0/8".to_owned(),
            "turn.users.ann=one".to_owned(),
            "control.socket=control.sock".to_owned(),
        ]
    }

    fn with_sets(&self, program: &[&str], sets: &[String], more: &[&str]) -> Command {
        let mut command = self.within(&self.relay, program[0], &program[1..]);
        let all = sets.iter().map(String::as_str).chain(more.iter().copied());
        all.for_each(|set| _ = command.args(["--set", set]));

        command
    }

    /// The answer to a request of all in one, asked on its own machine.
    pub(crate) fn ask(&self, what: &str, headers: &str, body: &str) -> String {
        self.relay.enter(|| request(METRICS, what, headers, body).unwrap())
    }

    /// What runs a program in a namespace, as the very process that is started.
    pub(crate) fn within(&self, namespace: &Namespace, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", namespace.name)).arg(program).args(args);
        command.current_dir(&self.place.directory).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

        command
    }

    /// The one line that it ends with; the exit code is 2.
    pub(crate) fn refused(&self, more: &[&str]) -> String {
        refused(self.command(more))
    }

    /// The same of a relay without capabilities.
    pub(crate) fn refused_without_capabilities(&self, more: &[&str]) -> String {
        refused(self.relay_by(&["setpriv", "--bounding-set=-all", MILLRACE, "relay"], more))
    }

    pub(crate) fn pins(&self) -> String {
        self.bpf.join("millrace").display().to_string()
    }

    /// A client's socket, connected to the server.
    pub(crate) fn client(&self, port: u16) -> UdpSocket {
        self.client.enter(|| {
            let socket = UdpSocket::bind(("10.0.1.2", port)).unwrap();
            socket.connect(SERVER).unwrap();
            socket
        })
    }

    /// A peer's socket, and its address.
    pub(crate) fn peer(&self, port: u16) -> (UdpSocket, SocketAddrV4) {
        let address = SocketAddrV4::new([10, 0, 2, 2].into(), port);
        let socket = self.peer.enter(|| UdpSocket::bind(address).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();

        (socket, address)
    }

    /// The sum of a metric's series, or of those with a label: `NAME` or `NAME{LABEL}`.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.relay.enter(|| get(METRICS, "/metrics", 200));
        let (name, label) = series.split_once('{').unwrap_or((series, ""));
        let label = label.trim_end_matches('}');
        let ours = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
        };
        let values: Vec<f64> = text
            .lines()
            .filter(ours)
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(!values.is_empty(), "there is no {series}");

        values.iter().sum::<f64>() as u64
    }

    /// Waits until the metric has this value.
    pub(crate) fn until(&self, series: &str, value: u64) {
        self.until_it_is(series, |now| now == value);
    }

    /// Waits until the metric is as wanted.
    pub(crate) fn until_it_is(&self, series: &str, wanted: impl Fn(u64) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.metric(series);
            if wanted(now) {
                return;
            }
            assert!(Instant::now() < deadline, "{series} is {now}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `millrace relay --detach`: what it prints.
    pub(crate) fn detach(&self) -> String {
        let pins = format!("xdp.pins={}", self.pins());
        let output = self.place.run(&["relay", "--detach", "--set", &pins]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");

        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether a program is attached to the relay's end toward clients.
    pub(crate) fn is_attached(&self) -> bool {
        let name = ["-n", &self.relay.name, "link", "show", "c0"];
        let output = Command::new("ip").args(name).output().unwrap();

        String::from_utf8(output.stdout).unwrap().contains("prog/xdp")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.bpf).status();
    }
}

fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("millrace: ")).collect();
    assert_eq!(lines.len(), 1, "{command:?}: {text}");

    lines[0].to_owned()
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?} as root: {output:?}");
}
