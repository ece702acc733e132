//! Who is there, with what, and who of them is seen.

use super::layout::{FACES_MAX, GRID_MAX, SCREENS_MAX};
use super::video::Video;
use relay_wire::control::{ParticipantId, TrackId};
use std::collections::BTreeMap;

/// People and tracks that are known at once; a log with more has its first ones.
const PEOPLE_MAX: usize = 10_000;
const TRACKS_MAX: usize = 1_000;
/// Bytes that are kept of a name.
const NAME_MAX: usize = 256;

/// What a track is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound of any source.
    Sound,
    /// A camera: a face.
    Camera,
    /// Something that is shared with all: large, nothing cut off.
    Screen,
}

/// Somebody in the call.
#[derive(Debug)]
struct Person {
    name: String,
    /// The how many-th to come.
    came: u64,
    /// When last heard, by counting changes of speakers.
    spoke: u64,
}

/// Something that is published.
pub(super) struct Track {
    pub(super) owner: ParticipantId,
    pub(super) kind: Kind,
    /// Nobody but participants can decode it.
    pub(super) encrypted: bool,
    pub(super) muted: bool,
    pub(super) video: Video,
}

/// Somebody's place in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) person: ParticipantId,
    /// What is seen there; `None`: the name.
    pub(super) track: Option<TrackId>,
}

/// Everybody, and what they have.
#[derive(Default)]
pub(super) struct Scene {
    people: BTreeMap<ParticipantId, Person>,
    tracks: BTreeMap<TrackId, Track>,
    speakers: Vec<ParticipantId>,
    came: u64,
    turns: u64,
}

impl Scene {
    /// Somebody comes, or gets another name; false when there are too many.
    pub(super) fn join(&mut self, id: ParticipantId, name: &str) -> bool {
        let end = (0..=NAME_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
        let name = name[..end.unwrap_or(0)].to_owned();
        if let Some(person) = self.people.get_mut(&id) {
            person.name = name;
            return true;
        }
        if self.people.len() >= PEOPLE_MAX {
            return false;
        }
        self.came += 1;
        self.people.insert(id, Person { name, came: self.came, spoke: 0 });

        true
    }

    /// Somebody goes, with all tracks; returns them.
    pub(super) fn leave(&mut self, id: ParticipantId) -> Vec<TrackId> {
        self.people.remove(&id);
        self.speakers.retain(|speaker| *speaker != id);
        let theirs = self.tracks.iter().filter(|(_, track)| track.owner == id);
        let theirs: Vec<TrackId> = theirs.map(|(id, _)| *id).collect();
        theirs.iter().for_each(|id| self.unpublish(*id));

        theirs
    }

    /// A track starts, or is something else now; false when there are too many.
    pub(super) fn publish(
        &mut self,
        id: TrackId,
        owner: ParticipantId,
        kind: Kind,
        encrypted: bool,
    ) -> bool {
        if let Some(track) = self.tracks.get_mut(&id) {
            (track.owner, track.kind, track.encrypted) = (owner, kind, encrypted);
            return true;
        }
        if self.tracks.len() >= TRACKS_MAX {
            return false;
        }
        let track = Track { owner, kind, encrypted, muted: false, video: Video::default() };
        self.tracks.insert(id, track);

        true
    }

    /// A track ends.
    pub(super) fn unpublish(&mut self, id: TrackId) {
        self.tracks.remove(&id);
    }

    /// Who speaks from now on.
    pub(super) fn speak(&mut self, loudest_first: &[ParticipantId]) {
        self.turns += 1;
        self.speakers = loudest_first.iter().copied().take(GRID_MAX).collect();
        for speaker in &self.speakers {
            if let Some(person) = self.people.get_mut(speaker) {
                person.spoke = self.turns;
            }
        }
    }

    pub(super) fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(&id)
    }

    pub(super) fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.tracks.get_mut(&id)
    }

    pub(super) fn name(&self, id: ParticipantId) -> &str {
        self.people.get(&id).map_or("", |person| &person.name)
    }

    pub(super) fn speaks(&self, id: ParticipantId) -> bool {
        self.speakers.contains(&id)
    }

    /// Seats of screens and of faces, in the order in which people came. Those who only listen have
    /// none; when there are too many, those who spoke last have one.
    pub(super) fn seats(&self) -> (Vec<Seat>, Vec<Seat>) {
        let (mut screens, mut faces) = (Vec::new(), Vec::new());
        for ((_, person), owned) in self.owned() {
            let seat = |track| Seat { person, track };
            let spoke = self.people.get(&person).map_or(0, |person| person.spoke);
            let seats = owned.cameras.iter().map(|track| (spoke, seat(Some(*track))));
            faces.extend(seats);
            if owned.cameras.is_empty() && owned.heard {
                faces.push((spoke, seat(None)));
            }
            screens.extend(owned.screens.iter().map(|track| seat(Some(*track))));
        }
        // The newest ones: what was forgotten to be stopped is not what is talked about.
        screens.drain(..screens.len().saturating_sub(SCREENS_MAX));
        let max = if screens.is_empty() { GRID_MAX } else { FACES_MAX };

        (screens, latest(&faces, max))
    }

    /// What people have, in the order in which they came; of whom that is not known, come last.
    fn owned(&self) -> BTreeMap<(u64, ParticipantId), Owned> {
        let mut people: BTreeMap<_, Owned> = BTreeMap::new();
        for (id, track) in &self.tracks {
            let came = self.people.get(&track.owner).map_or(u64::MAX, |person| person.came);
            let owned = people.entry((came, track.owner)).or_default();
            match track.kind {
                Kind::Sound => owned.heard = true,
                Kind::Camera => owned.cameras.push(*id),
                Kind::Screen => owned.screens.push(*id),
            }
        }

        people
    }
}

/// What somebody has published.
#[derive(Default)]
struct Owned {
    cameras: Vec<TrackId>,
    screens: Vec<TrackId>,
    heard: bool,
}

/// Those of the faces whose people spoke last, each with when that was; of equal ones the first.
fn latest(faces: &[(u64, Seat)], max: usize) -> Vec<Seat> {
    let mut order: Vec<usize> = (0..faces.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(faces[*at].0));
    order.truncate(max);
    order.sort_unstable();

    order.into_iter().map(|at| faces[at].1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn person(number: u64) -> ParticipantId {
        ParticipantId(number)
    }

    /// People 0..count, each with a camera of the same number.
    fn scene(count: u64) -> Scene {
        let mut scene = Scene::default();
        for at in 0..count {
            assert!(scene.join(person(at), "name"));
            assert!(scene.publish(TrackId(at), person(at), Kind::Camera, false));
        }

        scene
    }

    fn faces(scene: &Scene) -> Vec<u64> {
        scene.seats().1.iter().map(|seat| seat.person.0).collect()
    }

    #[test]
    fn those_who_show_or_say_something_have_a_seat() {
        let mut scene = scene(2);
        (10..13).for_each(|at| assert!(scene.join(person(at), "")));
        scene.publish(TrackId(10), person(11), Kind::Sound, false);
        assert_eq!(faces(&scene), [0, 1, 11]);
        assert_eq!(scene.seats().1[2].track, None);
        assert_eq!(scene.leave(person(0)), [TrackId(0)]);
        scene.unpublish(TrackId(10));
        assert_eq!(faces(&scene), [1]);
    }

    #[test]
    fn of_too_many_those_who_spoke_last_are_seen_in_the_order_of_coming() {
        let mut scene = scene(40);
        assert_eq!(faces(&scene), (0..25).collect::<Vec<_>>());
        scene.speak(&[person(39), person(3)]);
        scene.speak(&[person(30)]);
        let seen = faces(&scene);
        assert_eq!(seen.len(), 25);
        assert_eq!(seen[22..], [22, 30, 39]);
        scene.publish(TrackId(100), person(5), Kind::Screen, false);
        assert_eq!(faces(&scene), [0, 1, 3, 30, 39]);
        assert_eq!(scene.seats().0.len(), 1);
    }

    #[test]
    fn names_are_cut_between_letters() {
        let mut scene = Scene::default();
        scene.join(person(1), &"é".repeat(300));
        assert_eq!(scene.name(person(1)).len(), 256);
        scene.join(person(1), &format!("a{}", "é".repeat(300)));
        assert_eq!(scene.name(person(1)).len(), 255);
    }
}
