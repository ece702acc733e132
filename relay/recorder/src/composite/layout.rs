//! Who is where in the picture.

/// Width of the picture.
pub(super) const WIDTH: usize = 1280;
/// Height of the picture.
pub(super) const HEIGHT: usize = 720;
/// Tiles of a grid; who spoke last has one.
pub(super) const GRID_MAX: usize = 25;
/// Faces beside what is shared.
pub(super) const FACES_MAX: usize = 5;
/// What is shared at once.
pub(super) const SCREENS_MAX: usize = 4;

/// Width of the column of faces.
const FACES_WIDTH: usize = 240;
/// Height of a face there, as near to 16:9 as even rows allow.
const FACE_HEIGHT: usize = 136;

/// A part of the picture. All of it is even, so that chroma has whole samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    /// Pixels from the left.
    pub(super) x: usize,
    /// Pixels from the top.
    pub(super) y: usize,
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels.
    pub(super) height: usize,
}

/// The places of screens, and of faces; those that get none are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of screens, in their order.
    pub(super) screens: Vec<Rect>,
    /// Of faces, in their order.
    pub(super) faces: Vec<Rect>,
}

impl Layout {
    /// Places for so many screens and faces: a grid of faces, or screens with faces beside them.
    pub(super) fn new(screens: usize, faces: usize) -> Self {
        let (screens, whole) = (screens.min(SCREENS_MAX), Rect::at(0, 0, WIDTH, HEIGHT));
        if screens == 0 {
            let faces = grid(whole, faces.min(GRID_MAX));
            return Self { screens: Vec::new(), faces };
        }
        let faces = faces.min(FACES_MAX);
        let column = if faces == 0 { 0 } else { FACES_WIDTH };
        let top = (HEIGHT - faces * FACE_HEIGHT) / 2 / 2 * 2;
        let face = |at| Rect::at(WIDTH - column, top + at * FACE_HEIGHT, column, FACE_HEIGHT);

        Self {
            screens: grid(Rect::at(0, 0, WIDTH - column, HEIGHT), screens),
            faces: (0..faces).map(face).collect(),
        }
    }
}

impl Rect {
    /// A rectangle at this place, of this size.
    pub(super) fn at(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// The largest part of these proportions, in its middle.
    pub(super) fn fit(self, width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let (across, down) = match self.width * height > self.height * width {
            true => (self.height * width / height, self.height),
            false => (self.width, self.width * height / width),
        };
        let (across, down) = (even(across).max(2), even(down).max(2));
        let x = self.x + even((self.width - across.min(self.width)) / 2);
        let y = self.y + even((self.height - down.min(self.height)) / 2);

        Self::at(x, y, across, down)
    }
}

/// Tiles of 16:9, as large as so many can be; the last row stands in the middle.
fn grid(area: Rect, count: usize) -> Vec<Rect> {
    let tile = |columns: usize| {
        let rows = count.div_ceil(columns);
        let cell = Rect::at(0, 0, even(area.width / columns), even(area.height / rows));
        cell.fit(16, 9)
    };
    let Some(columns) = (1..=count).max_by_key(|columns| {
        // Of equal ones the squarer grid.
        (tile(*columns).width, std::cmp::Reverse(columns.abs_diff(count.div_ceil(*columns))))
    }) else {
        return Vec::new();
    };
    let Rect { width, height, .. } = tile(columns);
    let rows = count.div_ceil(columns);
    let top = area.y + even((area.height - rows * height) / 2);
    let place = |at: usize| {
        let (row, column) = (at / columns, at % columns);
        let in_row = columns.min(count - row * columns);
        let left = area.x + even((area.width - in_row * width) / 2);
        Rect::at(left + column * width, top + row * height, width, height)
    };

    (0..count).map(place).collect()
}

fn even(number: usize) -> usize {
    number / 2 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(a: &Rect, b: &Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    #[test]
    fn places_are_even_apart_and_within_the_picture() {
        for (screens, faces) in (0..8).flat_map(|screens| (0..40).map(move |at| (screens, at))) {
            let layout = Layout::new(screens, faces);
            let all: Vec<Rect> = [layout.screens, layout.faces].concat();
            for (at, rect) in all.iter().enumerate() {
                let told = format!("{screens} screens, {faces} faces: {rect:?}");
                let sides = [rect.x, rect.y, rect.width, rect.height];
                assert!(sides.iter().all(|side| side % 2 == 0), "{told}");
                assert!(rect.width >= 64 && rect.height >= 36, "{told}");
                assert!(rect.x + rect.width <= WIDTH && rect.y + rect.height <= HEIGHT, "{told}");
                assert!(all[..at].iter().all(|other| !overlap(rect, other)), "{told}");
            }
        }
    }

    #[test]
    fn the_grid_grows_with_those_who_are_there() {
        let faces = |count| Layout::new(0, count).faces;
        assert_eq!(faces(0), []);
        assert_eq!(faces(1), [Rect::at(0, 0, 1280, 720)]);
        assert_eq!(faces(2), [Rect::at(0, 180, 640, 360), Rect::at(640, 180, 640, 360)]);
        assert_eq!(faces(3)[2], Rect::at(320, 360, 640, 360));
        assert_eq!(faces(4)[3], Rect::at(640, 360, 640, 360));
        assert_eq!(faces(10).len(), 10);
        assert_eq!(faces(500).len(), GRID_MAX);
    }

    #[test]
    fn a_screen_is_large_with_faces_beside_it() {
        let layout = Layout::new(1, 3);
        let screen = layout.screens[0];
        assert!(screen.width > 1000 && screen.x + screen.width <= layout.faces[0].x);
        assert_eq!(layout.faces.len(), 3);
        assert_eq!(Layout::new(1, 0).screens, [Rect::at(0, 0, 1280, 720)]);
        assert_eq!(Layout::new(1, 60).faces.len(), FACES_MAX);
    }

    #[test]
    fn proportions_are_kept() {
        let area = Rect::at(10, 20, 640, 360);
        assert_eq!(area.fit(1280, 720), area);
        assert_eq!(area.fit(400, 400), Rect::at(150, 20, 360, 360));
        assert_eq!(area.fit(4000, 2), Rect::at(10, 198, 640, 2));
    }
}
