//! The picture of a moment: what events have made of it.

use super::Event;
use super::canvas::{BACKGROUND, Canvas, Colour, Fit};
use super::layout::{HEIGHT, Layout, Rect, WIDTH};
use super::mixer::Mixer;
use super::scene::{Kind, Scene, Seat};
use crate::codec::Picture;
use crate::frames::Frame;
use relay_wire::control::{Codec, ParticipantId, TrackId};

/// A face from which nothing comes freezes for this long, then its name is shown.
const FACE_PATIENCE_US: u64 = 5_000_000;
/// What is shared may stand still: senders repeat it now and then.
const SCREEN_PATIENCE_US: u64 = 30_000_000;
/// Backgrounds of names, by turns.
const COLOURS: [Colour; 5] =
    [[70, 145, 115], [80, 120, 145], [75, 115, 115], [85, 110, 140], [65, 135, 140]];
const EDGE: usize = 2;
const SPEAKER_EDGE: usize = 4;
const SPEAKER: Colour = [190, 60, 90];

/// What is seen in a tile.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Name,
    Picture { track: TrackId, version: u64, orientation: u8, fit: Fit },
}

/// A tile as it was painted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tile {
    rect: Rect,
    person: ParticipantId,
    name: String,
    speaks: bool,
    content: Content,
}

/// Frames and events that had no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Frames that could not be decoded, and those up to the next keyframe.
    pub frames: u64,
    /// Packets of sound that could not be decoded, or came for a time that had passed.
    pub packets: u64,
    /// Events of tracks that nobody published, of too many tracks or people, or too late.
    pub events: u64,
}

/// Everything that is seen and heard.
pub(super) struct Stage {
    scene: Scene,
    canvas: Canvas,
    painted: Vec<Tile>,
    pub(super) mixer: Mixer,
    failed: Failures,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            scene: Scene::default(),
            canvas: Canvas::new(),
            painted: Vec::new(),
            mixer: Mixer::default(),
            failed: Failures::default(),
        }
    }

    /// What failed so far.
    pub(super) fn failed(&self) -> Failures {
        Failures { packets: self.mixer.failed, ..self.failed }
    }

    /// Takes what happens now.
    pub(super) fn take(&mut self, now_us: u64, event: &Event) {
        let known = match event {
            Event::Join { participant, name } => self.scene.join(*participant, name),
            Event::Leave { participant } => {
                let theirs = self.scene.leave(*participant);
                theirs.iter().for_each(|track| self.mixer.remove(track.0));
                true
            }
            Event::Publish { track, participant, kind, encrypted } => {
                self.scene.publish(*track, *participant, *kind, *encrypted)
            }
            Event::Unpublish { track } => {
                self.mixer.remove(track.0);
                self.scene.unpublish(*track);
                true
            }
            Event::Mute { track, muted } => self.mute(*track, *muted),
            Event::Speakers { loudest_first } => {
                self.scene.speak(loudest_first);
                true
            }
            Event::Frame { track, frame } => self.frame(now_us, *track, frame),
            Event::End => true,
        };
        self.failed.events += u64::from(!known);
    }

    /// The picture at this time.
    pub(super) fn paint(&mut self, now_us: u64) -> &Picture {
        let tiles = self.tiles(now_us);
        let places = |tiles: &[Tile]| tiles.iter().map(|tile| tile.rect).collect::<Vec<_>>();
        if places(&tiles) != places(&self.painted) {
            self.canvas.fill(Rect::at(0, 0, WIDTH, HEIGHT), BACKGROUND);
            self.painted.clear();
        }
        for (at, tile) in tiles.iter().enumerate() {
            if self.painted.get(at) != Some(tile) {
                paint_tile(&mut self.canvas, &self.scene, tile);
            }
        }
        self.painted = tiles;

        &self.canvas.picture
    }

    fn mute(&mut self, track: TrackId, muted: bool) -> bool {
        let Some(track) = self.scene.track_mut(track) else { return false };
        track.muted = muted;
        if muted {
            track.video.hide();
        }

        true
    }

    fn frame(&mut self, now_us: u64, id: TrackId, frame: &Frame) -> bool {
        let Some(track) = self.scene.track_mut(id) else { return false };
        if track.encrypted || frame.codec == Codec::Av1 {
            return true;
        }
        match (track.kind, frame.codec) {
            // Of some tracks nobody told what they are of.
            (_, Codec::Opus) => self.mixer.push(id.0, frame.time_us, &frame.data),
            (Kind::Sound, _) => return false,
            (Kind::Camera | Kind::Screen, _) => {
                let taken = track.video.take(now_us, frame);
                self.failed.frames += u64::from(!taken);
            }
        }

        true
    }

    fn tiles(&self, now_us: u64) -> Vec<Tile> {
        let (screens, faces) = self.scene.seats();
        let layout = Layout::new(screens.len(), faces.len());
        let screens = screens.iter().zip(layout.screens);
        let faces = faces.iter().zip(layout.faces);
        let tile = |(seat, rect): (&Seat, Rect)| Tile {
            rect,
            person: seat.person,
            name: self.scene.name(seat.person).to_owned(),
            speaks: self.scene.speaks(seat.person),
            content: self.content(seat, now_us),
        };

        screens.chain(faces).map(tile).collect()
    }

    fn content(&self, seat: &Seat, now_us: u64) -> Content {
        let known = seat.track.and_then(|id| Some((id, self.scene.track(id)?)));
        let Some((id, track)) = known else { return Content::Name };
        let (fit, patience) = match track.kind {
            Kind::Screen => (Fit::Whole, SCREEN_PATIENCE_US),
            Kind::Camera | Kind::Sound => (Fit::Cover, FACE_PATIENCE_US),
        };
        if track.muted || !track.video.is_fresh(now_us, patience) {
            return Content::Name;
        }
        let (version, orientation) = (track.video.version, track.video.orientation);

        Content::Picture { track: id, version, orientation, fit }
    }
}

fn paint_tile(canvas: &mut Canvas, scene: &Scene, tile: &Tile) {
    let seen = match tile.content {
        Content::Picture { track, orientation, fit, .. } => {
            scene.track(track).map(|track| (&track.video.picture, orientation, fit))
        }
        Content::Name => None,
    };
    match seen {
        Some((picture, orientation, fit)) => {
            canvas.show(picture, orientation, fit, tile.rect);
            canvas.label(tile.rect, &tile.name);
        }
        None => {
            canvas.fill(tile.rect, COLOURS[(tile.person.0 % COLOURS.len() as u64) as usize]);
            canvas.title(tile.rect, &tile.name);
        }
    }
    canvas.frame(tile.rect, EDGE, BACKGROUND);
    if tile.speaks {
        canvas.frame(tile.rect, SPEAKER_EDGE, SPEAKER);
    }
}
