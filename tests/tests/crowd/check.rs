//! What must hold after a storm, whatever happened in it.

use super::{Crowd, SECOND, Wish};
use millrace_tests::Screen;
use millrace_tests::model::Report;
use relay_wire::control::Kind;
use std::time::Duration;

/// Time from calm until nothing freezes any more: what is lost was given up, keyframes came.
const SETTLE: Duration = Duration::from_secs(4);
/// How long the calm is watched.
const WATCH: Duration = Duration::from_secs(3);
/// The longest freeze in calm: a frame comes every 67 ms.
const FREEZE_MAX: Duration = Duration::from_millis(250);

impl Crowd {
    /// Asserts that calm brings everybody what they want, and that no decoder of an honest
    /// publisher's stream ever saw a fault. Returns the sum of what came.
    pub(crate) fn check(&mut self) -> Report {
        self.world.run(SETTLE);
        let sum = self.check_faults();
        self.watch();
        self.world.run(WATCH);
        // Whoever was hostile is so no more.
        self.hostile.clear();
        self.check_faults();
        self.check_wishes();

        sum
    }

    /// Asserts that those who watch honest publishers notice nothing.
    pub(crate) fn check_undisturbed(&mut self, duration: Duration) {
        self.check_faults();
        self.watch();
        self.world.run(duration);
        self.check_faults();
        self.check_wishes();
    }

    fn watch(&mut self) {
        let now = self.world.now();
        self.people.iter().for_each(|name| self.world.client(name).watch(now));
    }

    fn check_faults(&mut self) -> Report {
        let mut sum = Report::default();
        for name in &self.people {
            let client = self.world.client(name);
            assert!(client.left.is_none(), "seed {}: {name}: {:?}", self.seed, client.left);
            for screen in client.screens().filter(|s| !self.hostile.contains(&s.publisher)) {
                check_faults(self.seed, name, screen, &mut sum);
            }
        }

        sum
    }

    fn check_wishes(&mut self) {
        for ((name, publisher), wish) in self.wishes.clone() {
            if !self.hostile.contains(&publisher) {
                self.check_wish(&name, &publisher, wish);
            }
        }
    }

    fn check_wish(&mut self, name: &str, publisher: &str, wish: Wish) {
        let (seed, now) = (self.seed, self.world.now());
        let client = self.world.client(name);
        let videos = client
            .screens()
            .filter(|screen| screen.publisher == publisher && screen.kind == Kind::Video);
        let newest = videos.max_by_key(|screen| screen.decoder.report().last);
        let about = format!("seed {seed}: {name} <- {publisher}, wants {wish:?}");
        match (wish, newest) {
            (Some(quality), Some(screen)) => {
                let (report, freeze) = (screen.decoder.report(), screen.decoder.freeze(now));
                assert_eq!(report.layer, Some(quality as u8), "{about}: {report:#?}");
                assert!(freeze < FREEZE_MAX, "{about}: a freeze of {freeze:?}: {report:#?}");
            }
            (Some(_), None) => panic!("{about}: nothing came: {}", client.state()),
            (None, Some(screen)) => {
                let last = screen.decoder.report().last;
                assert!(last.is_none_or(|last| now - last > SECOND), "{about}: it still comes");
            }
            (None, None) => {}
        }
    }
}

fn check_faults(seed: u64, name: &str, screen: &Screen, sum: &mut Report) {
    let report = screen.decoder.report();
    let (publisher, kind) = (&screen.publisher, screen.kind);
    assert!(report.faults.is_empty(), "seed {seed}: {name} <- {publisher} {kind:?}: {report:#?}");
    sum.add(report);
}
