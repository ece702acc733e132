//! What happens in a storm: people, layers, loss and delay come and go.

use super::{Crowd, Wish, calm};
use livekit_protocol as proto;
use millrace_tests::Network;
use proto::signal_request::Message;
use rand::Rng as _;
use relay_wire::control::Kind;
use std::time::Duration;

/// Time between two events.
const EVENT: Duration = Duration::from_millis(20);
/// Fewest publishers that stay.
const PUBLISHERS_MIN: usize = 5;

impl Crowd {
    /// Everything happens at once.
    pub(crate) fn storm(&mut self, duration: Duration) {
        let end = self.world.elapsed() + duration;
        while self.world.elapsed() < end {
            self.happen();
            self.world.run(EVENT);
        }
    }

    /// The network is good from now on, nobody is muted, every layer is sent; and each wish is
    /// told once more.
    pub(crate) fn calm(&mut self) {
        for name in self.people.clone() {
            let seed = self.random.random();
            self.world.client(&name).set_network(calm(), seed);
        }
        for name in std::mem::take(&mut self.muted) {
            self.world.client(&name).mute(Kind::Video, false);
        }
        for name in self.publishers.clone() {
            (0..3).for_each(|stream| self.world.client(&name).set_encoding(stream, true));
        }
        self.tell_all();
    }

    pub(super) fn tell_all(&mut self) {
        for ((name, publisher), wish) in self.wishes.clone() {
            self.tell(&name, &publisher, wish);
        }
    }

    fn happen(&mut self) {
        match self.random.random_range(0..16) {
            0..7 => self.choose(),
            7..10 => self.weather(),
            10 | 11 => self.mute(),
            12 | 13 => self.stop_layer(),
            14 => self.look_elsewhere(),
            _ => self.come_or_go(),
        }
    }

    /// Somebody chooses another layer.
    fn choose(&mut self) {
        let place = self.random.random_range(0..self.wishes.len());
        let (key, _) = self.wishes.iter().nth(place).expect("it is one of them");
        let (name, publisher) = key.clone();
        let wish = Some(self.random.random_range(0..4)).filter(|quality| *quality < 3);
        self.wishes.insert((name.clone(), publisher.clone()), wish);
        self.tell(&name, &publisher, wish);
    }

    /// Tells a wish: as a quality, or as the size of a tile.
    fn tell(&mut self, name: &str, publisher: &str, wish: Wish) {
        let size = self.random.random();
        let client = self.world.client(name);
        let Some(sid) = client.track_of(publisher, Kind::Video) else { return };
        let mut settings = proto::UpdateTrackSettings {
            track_sids: vec![sid],
            disabled: wish.is_none(),
            quality: wish.unwrap_or(0) as i32,
            ..Default::default()
        };
        if let Some(quality) = wish.filter(|_| size) {
            (settings.width, settings.height) = (320 << quality, 180 << quality);
        }
        client.request(Message::TrackSetting(settings));
    }

    /// Somebody's network changes.
    fn weather(&mut self) {
        let delay = Duration::from_millis(self.random.random_range(10..150));
        let network = Network {
            loss: self.random.random_range(0.0..0.1),
            burst: if self.random.random() { 0.0 } else { self.random.random_range(1.5..5.0) },
            repeat: self.random.random_range(0.0..0.02),
            reorder: self.random.random_range(0..30),
            delay,
            jitter: delay / 5,
        };
        let (name, seed) = (self.somebody(), self.random.random());
        self.world.client(&name).set_network(network, seed);
    }

    /// A camera is muted, or no longer.
    fn mute(&mut self) {
        let name = self.some_publisher();
        let client = self.world.client(&name);
        if client.track_sid(Kind::Video).is_none() {
            return;
        }
        let muted = !self.muted.remove(&name);
        client.mute(Kind::Video, muted);
        if muted {
            self.muted.insert(name);
        }
    }

    /// A publisher stops a layer, as browsers do when they lack bandwidth, or starts one.
    fn stop_layer(&mut self) {
        let (stream, active) = (self.random.random_range(0..3), self.random.random());
        let name = self.some_publisher();
        self.world.client(&name).set_encoding(stream, active);
    }

    /// Somebody subscribes to something else.
    fn look_elsewhere(&mut self) {
        let name = self.somebody();
        let mut others = self.wishes.keys().filter(|(subscriber, _)| *subscriber == name);
        let Some(wish) = others.next_back().cloned() else { return };
        self.wishes.remove(&wish);
        self.world.client(&name).subscribe(&wish.1, Kind::Video, false);
        self.look_around(&name);
    }

    fn come_or_go(&mut self) {
        match self.random.random_range(0..4) {
            0 => self.join_to_publish(),
            1 => {
                let name = self.join();
                self.world.run(EVENT * 5);
                self.look_around(&name);
            }
            _ => self.go(),
        }
    }

    fn go(&mut self) {
        let name = self.somebody();
        if self.publishers.contains(&name) && self.publishers.len() <= PUBLISHERS_MIN {
            return;
        }
        self.people.retain(|other| *other != name);
        self.publishers.retain(|other| *other != name);
        self.muted.remove(&name);
        self.wishes.retain(|(subscriber, publisher), _| *subscriber != name && *publisher != name);
        if self.random.random() {
            self.world.leave(&name);
        } else {
            self.world.vanish(&name);
        }
    }

    fn somebody(&mut self) -> String {
        self.people[self.random.random_range(0..self.people.len())].clone()
    }
}
