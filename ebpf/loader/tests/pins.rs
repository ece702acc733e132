//! What outlives the process, and what is in the way of attaching.

mod lab;

use ebpf_loader::{AttachError, Binding, BindingKey, Mode, Offload, Options, detach_all};
use lab::{Lab, TO_CLIENT, TO_PEER, Table, binding, down, options, row, up};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A BPF file system of the test's own.
struct FileSystem {
    path: PathBuf,
}

impl FileSystem {
    fn new(label: &str) -> Self {
        let path = std::env::temp_dir().join(format!("millrace-{label}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(&path).status();
        assert!(mounted.is_ok_and(|status| status.success()), "root mounts a BPF file system");

        Self { path }
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn pinned(pins: &FileSystem, interfaces: &[&str], mode: Mode) -> Options {
    Options { pins: Some(pins.path.join("millrace")), ..options(interfaces, mode) }
}

#[test]
fn bindings_and_records_outlive_the_process() {
    let lab = Lab::new();
    let pins = FileSystem::new("survival");
    let all = || pinned(&pins, &[TO_CLIENT, TO_PEER], Mode::Driver);
    lab.relay.enter(|| {
        let mut first = Offload::attach(&all()).unwrap();
        let kept = Binding { bandwidth_bps: Some(80_000_000), ..binding(true, true) };
        let dead = Binding {
            key: BindingKey { channel: 0x4002, ..kept.key },
            peer: "10.0.2.2:6001".parse().unwrap(),
            allocation: 2,
            ..kept
        };
        first.bind(&kept).unwrap();
        first.bind(&dead).unwrap();
        first.store(&[7; 24], &[8; 1024]).unwrap();
        drop(first);
        let (input, output) = up(&kept, b"hello");

        let mut second = Offload::attach(&all()).unwrap();
        let mut keys: Vec<u16> = second.keys().map(|key| key.channel).collect();
        keys.sort_unstable();
        assert_eq!(keys, [0x4001, 0x4002]);
        assert_eq!(second.records().collect::<Vec<_>>(), [([7; 24], [8; 1024])]);
        second.bind(&kept).expect("what is adopted is refreshed");
        second.unbind(&dead.key).expect("what is adopted is unbound");
        let index = |at: usize| second.interfaces()[at].1;
        let (to_client, to_peer) = (index(0), index(1));
        let mut table = Table { offload: second, to_client, to_peer };
        table.client_sends([row("kept", input.bytes(), lab::Expect::Redirected(output.bytes()))]);
        let dead = up(&dead, b"hello").0;
        table.client_sends([row("dead", dead.bytes(), lab::Expect::Passed("no_flow"))]);
        let mut packets = 0;
        table.offload.counters(|_, counted| packets += counted.up.packets).unwrap();
        assert_eq!(packets, 1);
    });
    let removed = detach_all(&pins.path.join("millrace")).unwrap();
    assert_eq!(removed.len(), 11, "nine maps and two links: {removed:?}");
    lab.relay.enter(|| {
        // Nothing is attached any more: another program may be.
        Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Generic)).expect("free interfaces");
    });
    assert_eq!(detach_all(&pins.path.join("millrace")).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn another_mode_and_fewer_interfaces_replace_what_is_pinned() {
    let lab = Lab::new();
    let pins = FileSystem::new("change");
    lab.relay.enter(|| {
        drop(Offload::attach(&pinned(&pins, &[TO_CLIENT, TO_PEER], Mode::Driver)).unwrap());
        drop(Offload::attach(&pinned(&pins, &[TO_CLIENT], Mode::Driver)).unwrap());
        // The other one was let go.
        drop(Offload::attach(&options(&[TO_PEER], Mode::Driver)).unwrap());
    });
}

#[test]
fn where_one_interface_refuses_none_stays_attached() {
    let lab = Lab::new();
    let pins = FileSystem::new("refused");
    lab.relay.enter(|| {
        let refused = Offload::attach(&pinned(&pins, &[TO_CLIENT, "lo"], Mode::Driver));
        assert!(matches!(refused, Err(AttachError::Driver { .. })));
        Offload::attach(&options(&[TO_CLIENT], Mode::Driver)).expect("a free interface");
    });
}

#[test]
fn a_relayed_address_that_has_another_client_by_now_stays_the_others() {
    let lab = Lab::new();
    let pins = FileSystem::new("another");
    let all = || pinned(&pins, &[TO_CLIENT, TO_PEER], Mode::Driver);
    lab.relay.enter(|| {
        let former = binding(true, true);
        let key = BindingKey { client: "10.0.1.2:5001".parse().unwrap(), ..former.key };
        let present = Binding { key, allocation: 2, ..former };
        let mut first = Offload::attach(&all()).unwrap();
        first.bind(&former).unwrap();
        drop(first);

        let mut second = Offload::attach(&all()).unwrap();
        second.bind(&present).unwrap();
        second.unbind(&former.key).expect("nobody has gone on with it");
        let to_peer = second.interfaces()[1].1;
        let table = Table { offload: second, to_client: 0, to_peer };
        let (input, output) = down(&present, b"hello");
        let output = lab::Expect::Redirected(output.bytes());
        table.peer_sends([row("the other's", input.bytes(), output)]);
    });
}

#[test]
fn what_is_in_the_way_is_told() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let attach = |options: &Options| Offload::attach(options).err().expect("refused");
        let nowhere = attach(&options(&["nowhere0"], Mode::Driver));
        assert!(matches!(nowhere, AttachError::NoInterface(_)), "{nowhere}");
        let loopback = attach(&options(&["lo"], Mode::Driver));
        assert!(matches!(loopback, AttachError::Driver { .. }), "{loopback}");
        let pins = Some(std::env::temp_dir().join("millrace-no-bpffs"));
        let plain = attach(&Options { pins, ..options(&[TO_CLIENT], Mode::Driver) });
        assert!(matches!(plain, AttachError::NoFileSystem { .. }), "{plain}");

        let first = Offload::attach(&options(&[TO_CLIENT], Mode::Driver)).unwrap();
        let taken = attach(&options(&[TO_CLIENT], Mode::Driver));
        assert!(matches!(taken, AttachError::Taken(_)), "{taken}");
        drop(first);
        lab.relay.ip(&format!("link set {TO_CLIENT} mtu 9000"));
        lab.client.ip("link set eth0 mtu 9000");
        let long = attach(&options(&[TO_CLIENT], Mode::Driver));
        assert!(matches!(long, AttachError::Driver { .. }), "{long}");
        for error in [nowhere, loopback, plain, taken, long] {
            let text = error.to_string();
            assert!(text.starts_with("xdp.interface") && !text.contains('\n'), "{text}");
        }
    });
}

/// Runs this test again in a process without the capabilities.
#[test]
fn missing_capabilities_are_named() {
    const INNER: &str = "MILLRACE_TEST_WITHOUT_CAPABILITIES";
    if std::env::var_os(INNER).is_some() {
        let error = Offload::attach(&options(&["lo"], Mode::Generic)).err().expect("refused");
        assert!(matches!(error, AttachError::Capability { .. }), "{error}");
        assert!(error.to_string().contains("lacks CAP_PERFMON, CAP_BPF"), "{error}");
        return;
    }
    let outcome = Command::new("setpriv")
        .arg("--bounding-set=-bpf,-perfmon,-sys_admin")
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "missing_capabilities_are_named"])
        .env(INNER, "1")
        .output()
        .expect("util-linux");
    let told = String::from_utf8_lossy(&outcome.stdout);
    assert!(outcome.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn a_binding_ends_by_itself_while_no_process_runs() {
    let lab = Lab::new();
    let pins = FileSystem::new("expiry");
    let all = || pinned(&pins, &[TO_CLIENT, TO_PEER], Mode::Driver);
    lab.relay.enter(|| {
        let mut first = Offload::attach(&all()).unwrap();
        let expires = Instant::now() - Duration::from_secs(1);
        let bound = Binding { expires, ..binding(true, true) };
        first.bind(&bound).unwrap();
        drop(first);

        let second = Offload::attach(&all()).unwrap();
        let to_client = second.interfaces()[0].1;
        let table = Table { offload: second, to_client, to_peer: 0 };
        let input = up(&bound, b"hello").0.bytes();
        table.client_sends([row("expired", input, lab::Expect::Passed("expired"))]);
    });
}
