//! Simulcast: which layer goes to whom, and the change from one to another.

use crate::world::{SUBSCRIBER_IDS, Sent, Stream, World, read_vp8, vp8};
use relay_wire::control::Choice;
use std::time::Instant;

pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];

/// A publisher of three layers, whose frames carry the layer's number.
pub(crate) struct Simulcast {
    streams: [Stream; 3],
    pub(crate) alive: [bool; 3],
    pictures: [u16; 3],
}

impl Simulcast {
    pub(crate) fn new() -> Self {
        let mut number = 0;
        let streams = RIDS.map(|rid| {
            number += 1;
            let mut stream = Stream::video(30 + number, Some(rid));
            stream.fixed.timestamp = number * 1_000_000_000;
            stream.fixed.sequence = number as u16 * 20_000;
            stream
        });
        Self { streams, alive: [true; 3], pictures: [10, 5000, 30_000] }
    }

    /// One frame on each layer that lives; keyframes where they were asked for.
    fn frame(&mut self, world: &mut World) -> Vec<Sent> {
        let asked = world.take_plis();
        let mut sent = Vec::new();
        for layer in (0..3).filter(|layer| self.alive[*layer]) {
            self.pictures[layer] = (self.pictures[layer] + 1) & 0x7fff;
            let keyframe = asked.contains(&self.streams[layer].fixed.ssrc);
            let payload = vp8(keyframe, self.pictures[layer], 3, &[layer as u8]);
            sent.extend(world.receive(&self.streams[layer].next().packet(&payload)));
        }
        world.sleep_ms(33);
        sent
    }

    pub(crate) fn play(&mut self, world: &mut World, frames: usize) -> Vec<Sent> {
        (0..frames).flat_map(|_| self.frame(world)).collect()
    }
}

fn layers(sent: &[Sent]) -> Vec<u8> {
    let mut layers: Vec<u8> = sent.iter().map(|sent| read_vp8(sent.payload()).2[0]).collect();
    layers.dedup();
    layers
}

fn assert_seamless(sent: &[Sent]) {
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(b.sequence.wrapping_sub(a.sequence), 1);
        let step = b.timestamp.wrapping_sub(a.timestamp);
        assert!((1..=9000).contains(&step), "a step of {step}");
        let (a, b) = (read_vp8(pair[0].payload()), read_vp8(pair[1].payload()));
        assert_eq!(b.0.wrapping_sub(a.0) & 0x7fff, 1);
    }
}

#[test]
fn the_highest_layer_is_reached_without_a_seam() {
    let mut world = World::with_call(&RIDS, 1);
    let sent = Simulcast::new().play(&mut world, 60);

    assert_eq!(layers(&sent).last(), Some(&2));
    assert!(sent.len() >= 55);
    assert_seamless(&sent);
    assert!(sent.iter().all(|sent| sent.extension(SUBSCRIBER_IDS.mid) == Some(b"v0")));
}

#[test]
fn sound_that_is_published_later_does_not_hide_the_layers() {
    let mut world = World::with_call(&RIDS, 1);
    let mut audio = World::audio_track();
    audio.extensions.rid = None;
    audio.extensions.repaired_rid = None;
    audio.extensions.video_orientation = None;
    world.publish(&audio);
    let sent = Simulcast::new().play(&mut world, 60);

    assert_eq!(layers(&sent).last(), Some(&2));
}

#[test]
fn each_subscriber_gets_the_layer_of_his_choice() {
    let mut world = World::with_call(&RIDS, 3);
    world.choose(0, Choice::Low);
    world.choose(1, Choice::Medium);
    let mut simulcast = Simulcast::new();
    simulcast.play(&mut world, 60);
    let sent = simulcast.play(&mut world, 10);

    for number in 0..3 {
        let own: Vec<Sent> =
            sent.iter().filter(|s| s.to == World::subscriber(number)).cloned().collect();
        assert_eq!(layers(&own), [number as u8]);
    }
}

#[test]
fn a_choice_is_followed_without_a_seam_and_asks_for_that_layer_only() {
    let mut world = World::with_call(&RIDS, 1);
    let mut simulcast = Simulcast::new();
    simulcast.play(&mut world, 60);
    let mut sent = simulcast.play(&mut world, 3);
    world.sleep_ms(500);
    world.choose(0, Choice::Low);
    assert_eq!(world.take_plis(), [31]);
    sent.extend(simulcast.play(&mut world, 3));
    assert_eq!(layers(&sent), [2], "the old layer goes on until the keyframe");

    world.sleep_ms(600);
    sent.extend(simulcast.play(&mut world, 20));
    assert_eq!(layers(&sent), [2, 0]);
    let pause = sent
        .windows(2)
        .map(|pair| pair[1].header().timestamp.wrapping_sub(pair[0].header().timestamp));
    assert!(pause.clone().all(|step| (1..=100_000).contains(&step)));
}

#[test]
fn a_layer_that_dies_is_left_and_comes_back() {
    let mut world = World::with_call(&RIDS, 1);
    let mut simulcast = Simulcast::new();
    simulcast.play(&mut world, 60);

    simulcast.alive[2] = false;
    let sent = simulcast.play(&mut world, 90);
    assert_eq!(layers(&sent), [1]);
    assert!(sent.len() > 30);
    assert_seamless(&sent);

    simulcast.alive[2] = true;
    let sent = simulcast.play(&mut world, 60);
    assert_eq!(layers(&sent), [1, 2]);
    assert_seamless(&sent);
}

#[test]
fn a_higher_layer_serves_a_low_choice_when_there_is_no_other() {
    let mut world = World::with_call(&RIDS, 1);
    world.choose(0, Choice::Low);
    let mut simulcast = Simulcast::new();
    simulcast.alive = [false, true, true];

    assert_eq!(layers(&simulcast.play(&mut world, 60)), [1]);
}

#[test]
fn a_late_packet_of_the_layer_that_was_left_fits_into_its_gap() {
    let mut world = World::with_call(&RIDS, 1);
    let mut simulcast = Simulcast::new();
    simulcast.alive = [true, false, true];
    simulcast.play(&mut world, 60);
    let last = simulcast.play(&mut world, 1);
    let missing = simulcast.streams[2].next().packet(&vp8(false, 1, 1, &[9]));
    simulcast.play(&mut world, 1);
    world.choose(0, Choice::Low);
    world.sleep_ms(600);
    assert_eq!(layers(&simulcast.play(&mut world, 5)).last(), Some(&0));

    let late = world.receive(&missing);
    assert_eq!(late.len(), 1);
    let step = late[0].header().sequence.wrapping_sub(last[0].header().sequence);
    assert_eq!(step, 1);
}

/// Ticks by which a packet's time is ahead of the room's.
fn ahead(world: &World, start: Instant, sent: &Sent) -> i64 {
    let ticks = (world.now - start).as_millis() as i64 * 90;
    i64::from(sent.header().timestamp) - ticks
}

#[test]
fn a_keyframe_that_the_network_holds_up_does_not_move_time() {
    let mut world = World::with_call(&RIDS, 1);
    let mut simulcast = Simulcast::new();
    let start = world.now;
    let before = simulcast.play(&mut world, 60);
    let distance = ahead(&world, start, before.last().unwrap());

    world.choose(0, Choice::Low);
    world.take_plis();
    let keyframe = simulcast.streams[0].next().packet(&vp8(true, 11, 3, &[0]));
    world.sleep_ms(300);
    let late = world.receive(&keyframe);
    assert_eq!(layers(&late), [0]);
    let moved = ahead(&world, start, &late[0]) + 300 * 90 - distance;
    assert!(moved.abs() < 6000, "time is {moved} ticks off");
}

#[test]
fn a_keyframe_older_than_what_was_sent_is_not_begun_with() {
    let mut world = World::with_call(&RIDS, 1);
    let mut simulcast = Simulcast::new();
    simulcast.play(&mut world, 60);
    world.choose(0, Choice::Low);
    world.take_plis();

    let keyframe = simulcast.streams[0].next().packet(&vp8(true, 11, 3, &[0]));
    world.sleep_ms(33);
    let mut sent: Vec<Sent> = (0..10)
        .flat_map(|_| {
            world.take_plis();
            simulcast.frame(&mut world)
        })
        .collect();
    assert_eq!(world.receive(&keyframe), []);
    sent.extend(simulcast.play(&mut world, 60));

    assert_eq!(layers(&sent), [2, 0], "another keyframe is asked for");
    assert_seamless(&sent);
}
