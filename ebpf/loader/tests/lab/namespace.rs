//! Network namespaces that a test makes and removes.
#![allow(dead_code, reason = "each test takes what it needs")]

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace, removed with all that is in it at the end.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new(label: &str) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millrace-{label}-{}-{count}", std::process::id());
        ip(&format!("netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");

        namespace
    }

    /// Runs `ip` within.
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.name));
    }

    /// Runs a command within.
    pub(crate) fn exec(&self, command: &[&str]) {
        run(&[&["netns", "exec", &self.name], command].concat());
    }

    /// What `ip` prints within.
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        run(&[&["-n", &self.name], arguments].concat())
    }

    /// Runs a function on a thread of its own within.
    pub(crate) fn enter<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        let path = format!("/run/netns/{}", self.name);
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                let file = File::open(&path).expect("the namespace's file");
                setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                run()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(arguments: &str) {
    run(&arguments.split(' ').collect::<Vec<_>>());
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("iproute2");
    assert!(
        output.status.success(),
        "`ip {}` as root with CAP_NET_ADMIN: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );

    String::from_utf8_lossy(&output.stdout).into_owned()
}
