//! SIGHUP: the configuration is read again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Notified, Place, Service, free_port, get};

/// A `millrace serve` with a configuration file, and what it tells its service manager.
struct Reloaded {
    place: Place,
    service: Service,
    notify: Notified,
    base: String,
}

impl Reloaded {
    fn new() -> Self {
        let place = Place::new();
        let notify = Notified::new(&place);
        let (http, media) = (free_port(), free_port());
        let base = format!(
            "[http]\nlisten = \"127.0.0.1:{http}\"\ntls_listen = \"127.0.0.1:0\"\n\
             [media]\nlisten = [\"127.0.0.1:{media}\"]\nshards = 1\n\
             [control]\nsocket = \"control.sock\"\n"
        );
        let file = place.file(&base);
        let service = place.start(&["serve", "--config", &file], &[notify.environment()]);
        let reloaded = Self { place, service, notify, base };
        assert_eq!(reloaded.notify.told(), "READY=1");
        get(http, "/readyz", 200);

        reloaded
    }

    /// Replaces the file and waits until it was read.
    fn with(&self, text: &str) {
        self.place.file(&format!("{}{text}", self.base));
        self.notify.reload(&self.service);
    }

    /// Stops it: what it has logged.
    fn log(mut self) -> Vec<String> {
        self.service.signal("TERM");
        assert_eq!(self.service.wait().0, Some(0));
        let (_, err) = self.service.output();

        err.lines().filter(|line| line.contains("SIGHUP")).map(str::to_owned).collect()
    }
}

#[test]
fn the_log_says_which_keys_changed_and_never_their_values() {
    let reloaded = Reloaded::new();
    reloaded.with("[turn]\nsecrets = [\"hunter2\"]\nusers.ann = \"hunter3\"\n");
    reloaded.with("[turn]\nsecrets = [\"hunter4\", \"hunter2\"]\nusers.ann = \"hunter3\"\n");
    reloaded.with("[turn]\nsecrets = [\"hunter4\", \"hunter2\"]\n[turn.quota]\nuser = 3\n");
    let log = reloaded.log();
    let changed = ["changed=turn.secrets, turn.users.ann", "changed=turn.secrets"];
    assert!(log[0].contains(changed[0]), "{log:?}");
    assert!(log[1].ends_with(changed[1]), "{log:?}");
    assert!(log[2].contains("turn.quota.user, turn.users.ann"), "{log:?}");
    assert!(log.iter().all(|line| !line.contains("hunter")), "{log:?}");
}

#[test]
fn a_broken_file_changes_nothing_and_is_named_with_its_line() {
    let reloaded = Reloaded::new();
    reloaded.with("[turn]\nquotas = 3\n");
    reloaded.with("[turn]\nrealm = \"example.org\"\n");
    let log = reloaded.log();
    assert!(log[0].contains("ERROR") && log[0].contains("line 10"), "{log:?}");
    assert!(log[0].contains("turn.quotas"), "{log:?}");
    assert!(log[1].contains("changed=turn.realm"), "{log:?}");
}

#[test]
fn what_needs_a_restart_is_named_at_each_reload_until_then() {
    let reloaded = Reloaded::new();
    reloaded.with("[turn]\ntls_listen = \"127.0.0.1:0\"\n[page]\nguests = true\n");
    reloaded.with("[turn]\ntls_listen = \"127.0.0.1:0\"\n[page]\nguests = true\n");
    reloaded.with("");
    let log = reloaded.log();
    let warnings: Vec<_> = log.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{log:?}");
    let keys = "keys=page.guests, turn.tls_listen";
    assert!(warnings.iter().all(|line| line.contains(keys)), "{log:?}");
}
