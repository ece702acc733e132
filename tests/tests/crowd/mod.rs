//! A room full of people who do not sit still.

mod check;
mod events;

use millrace_tests::{Network, Source, Trick, World};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use relay_wire::control::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Videos that somebody watches, and those of them that are heard.
const WATCHED: usize = 4;
const HEARD: usize = 2;

/// What somebody wants of a video: paused, or a quality, 2 is the highest.
type Wish = Option<usize>;

/// People in a room, what they publish and what they want.
pub(crate) struct Crowd {
    pub(crate) world: World,
    seed: u64,
    random: StdRng,
    people: Vec<String>,
    publishers: Vec<String>,
    source: Source,
    /// By subscriber and publisher.
    wishes: BTreeMap<(String, String), Wish>,
    /// Videos that are muted.
    muted: BTreeSet<String>,
    /// Publishers that play tricks.
    hostile: BTreeSet<String>,
    joined: usize,
}

impl Crowd {
    /// A room of `size` people, `publishers` of whom publish this source and a microphone.
    pub(crate) fn gather(seed: u64, size: usize, publishers: usize, source: Source) -> Self {
        let mut crowd = Self {
            world: World::of_models(seed, calm()),
            seed,
            random: StdRng::seed_from_u64(seed),
            people: Vec::new(),
            publishers: Vec::new(),
            source,
            wishes: BTreeMap::new(),
            muted: BTreeSet::new(),
            hostile: BTreeSet::new(),
            joined: 0,
        };
        for _ in 0..publishers {
            crowd.join_to_publish();
        }
        for _ in publishers..size {
            crowd.join();
        }
        crowd.world.run(SECOND);
        for name in crowd.people.clone() {
            crowd.look_around(&name);
        }
        crowd.world.run(SECOND);

        crowd
    }

    /// For each trick somebody comes whom everybody watches, and who then plays it.
    pub(crate) fn let_in(&mut self, tricks: &[Trick]) {
        let audience = self.people.clone();
        tricks.iter().for_each(|_| self.join_to_publish());
        self.world.run(SECOND);
        let hostile = self.publishers.split_off(self.publishers.len() - tricks.len());
        for (name, publisher) in audience.iter().flat_map(|a| hostile.iter().map(move |h| (a, h))) {
            assert!(self.world.client(name).subscribe(publisher, Kind::Video, true));
            let quality = self.random.random_range(0..3);
            self.wishes.insert((name.clone(), publisher.clone()), Some(quality));
        }
        self.world.run(SECOND / 2);
        self.tell_all();
        self.world.run(SECOND);
        for (publisher, trick) in hostile.into_iter().zip(tricks) {
            self.world.client(&publisher).misbehave(Some(*trick));
            self.hostile.insert(publisher);
        }
    }

    /// No more tricks.
    pub(crate) fn end_tricks(&mut self) {
        for name in self.people.iter().filter(|name| self.hostile.contains(*name)) {
            self.world.client(name).misbehave(None);
        }
    }

    fn join(&mut self) -> String {
        let name = format!("p{}", self.joined);
        self.joined += 1;
        self.world.join_to_choose(&name);
        self.people.push(name.clone());
        self.world.run(Duration::from_millis(10));

        name
    }

    fn join_to_publish(&mut self) {
        let name = self.join();
        self.world.publish(&name, Source::Microphone);
        self.world.publish(&name, self.source);
        self.publishers.push(name);
    }

    /// Somebody subscribes to some of the others.
    fn look_around(&mut self, name: &str) {
        for number in 0..WATCHED {
            let publisher = self.some_publisher();
            let wish = (name.to_owned(), publisher);
            let client = self.world.client(name);
            if wish.1 == name
                || self.wishes.contains_key(&wish)
                || !client.subscribe(&wish.1, Kind::Video, true)
            {
                continue;
            }
            if number < HEARD {
                client.subscribe(&wish.1, Kind::Audio, true);
            }
            self.wishes.insert(wish, Some(2));
        }
    }

    fn some_publisher(&mut self) -> String {
        self.publishers[self.random.random_range(0..self.publishers.len())].clone()
    }
}

/// A good network.
fn calm() -> Network {
    let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(2));

    Network { delay, jitter, ..Default::default() }
}
