//! Who speaks: levels of the audio-level header extension (RFC 6464) made steady.

use relay_wire::control::{ParticipantId, Speaker};
use std::time::{Duration, Instant};

/// Time over which a level is taken.
const WINDOW: Duration = Duration::from_millis(400);
/// Louder than this (in -dBov) is speech.
const SPEECH: u8 = 35;
/// Share of packets that must be speech, in percent.
const SPEECH_SHARE: u32 = 40;
/// Weight of the newest window.
const WEIGHT: f32 = 0.5;
/// Levels are told in steps of this size.
const STEP: f32 = 1.0 / 16.0;
/// Least time between two events.
const INTERVAL: Duration = Duration::from_millis(300);
/// Speakers in one event.
const SPEAKERS_MAX: usize = 16;

/// The level of one audio track.
#[derive(Default)]
pub(super) struct Level {
    window_start: Option<Instant>,
    packets: u32,
    speech: u32,
    loudest: u8,
    level: f32,
}

impl Level {
    /// Takes one packet's level, in -dBov: 0 is loudest, 127 is silence.
    pub(super) fn observe(&mut self, now: Instant, level: u8) {
        let start = *self.window_start.get_or_insert(now);
        if now.saturating_duration_since(start) >= WINDOW {
            self.close(now);
        }
        self.loudest = if self.packets == 0 { level } else { self.loudest.min(level) };
        self.packets += 1;
        self.speech += u32::from(level <= SPEECH);
    }

    /// The steady level, 0.0 (does not speak) to 1.0.
    pub(super) fn get(&mut self, now: Instant) -> f32 {
        let stale = |start| now.saturating_duration_since(start) >= WINDOW * 2;
        if self.window_start.is_some_and(stale) {
            self.close(now);
        }

        self.level
    }

    /// Nothing is heard any more.
    pub(super) fn silence(&mut self) {
        *self = Self::default();
    }

    fn close(&mut self, now: Instant) {
        let speaks = self.packets > 0 && self.speech * 100 >= self.packets * SPEECH_SHARE;
        let share = self.speech as f32 / self.packets.max(1) as f32;
        let heard = 10f32.powf(-f32::from(self.loudest) / 20.0) * share;
        self.level = if speaks { self.level + (heard - self.level) * WEIGHT } else { 0.0 };
        self.window_start = Some(now);
        self.packets = 0;
        self.speech = 0;
    }
}

/// The speakers of a room as they were told last.
pub(super) struct Speakers {
    told: Vec<Speaker>,
    next: Vec<Speaker>,
    due: Instant,
}

impl Speakers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            told: Vec::with_capacity(SPEAKERS_MAX),
            next: Vec::with_capacity(SPEAKERS_MAX),
            due: now,
        }
    }

    /// The list to tell, when it is due and differs from what was told: loudest first. `levels`
    /// are the audio tracks'; a participant counts with the loudest of them.
    pub(super) fn update(
        &mut self,
        now: Instant,
        levels: impl Iterator<Item = (ParticipantId, f32)>,
    ) -> Option<&[Speaker]> {
        if now < self.due {
            return None;
        }
        self.due = now + INTERVAL;
        self.next.clear();
        for (participant, level) in levels.filter(|(_, level)| *level > 0.0) {
            let level = ((level / STEP).ceil() * STEP).min(1.0);
            self.insert(Speaker { participant, level });
        }
        if self.next == self.told {
            return None;
        }
        self.told.clone_from(&self.next);

        Some(&self.told)
    }

    fn insert(&mut self, speaker: Speaker) {
        if let Some(own) = self.next.iter().position(|s| s.participant == speaker.participant) {
            if self.next[own].level >= speaker.level {
                return;
            }
            self.next.remove(own);
        }
        let place = self.next.partition_point(|other| louder(other, &speaker));
        if place == SPEAKERS_MAX {
            return;
        }
        self.next.truncate(SPEAKERS_MAX - 1);
        self.next.insert(place, speaker);
    }
}

/// Ties go by id, so that equal rooms make equal events.
fn louder(a: &Speaker, b: &Speaker) -> bool {
    a.level > b.level || (a.level == b.level && a.participant < b.participant)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;

    const SOME: Duration = Duration::from_millis(20);

    fn hear(level: &mut Level, start: Instant, packets: u32, dbov: u8) -> Instant {
        for packet in 0..packets {
            level.observe(start + SOME * packet, dbov);
        }
        start + SOME * packets
    }

    #[test]
    fn speech_raises_the_level_and_silence_ends_it() {
        let mut level = Level::default();
        let now = hear(&mut level, Instant::now(), 50, 10);
        assert!(level.get(now) > 0.1);

        let now = hear(&mut level, now, 50, 127);
        assert_eq!(level.get(now), 0.0);
    }

    #[test]
    fn a_track_that_stops_is_silent_soon() {
        let mut level = Level::default();
        let now = hear(&mut level, Instant::now(), 50, 10);

        let now = now + WINDOW * 2;
        level.get(now);
        assert_eq!(level.get(now + WINDOW * 2), 0.0);
    }

    #[test]
    fn the_loudest_comes_first_and_no_change_is_not_told() {
        let now = Instant::now();
        let mut speakers = Speakers::new(now);
        let levels = [(ParticipantId(1), 0.2), (ParticipantId(2), 0.5), (ParticipantId(3), 0.0)];

        let told = speakers.update(now, levels.into_iter()).expect("news");
        let ids: Vec<_> = told.iter().map(|s| s.participant.0).collect();
        assert_eq!(ids, [2, 1]);
        assert!(speakers.update(now, levels.into_iter()).is_none());
        assert!(speakers.update(now + INTERVAL, levels.into_iter()).is_none());
        assert!(speakers.update(now + INTERVAL * 2, std::iter::empty()).is_some());
    }
}
