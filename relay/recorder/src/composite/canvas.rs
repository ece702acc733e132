//! Drawing into a picture: planes are scaled as they are, without a detour over RGB.

use super::layout::{HEIGHT, Rect, WIDTH};
use super::text::{Mask, Type};
use crate::codec::{Picture, Plane};
use fast_image_resize::images::{CroppedImageMut, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Y, U, V in limited range.
pub(super) type Colour = [u8; 3];

pub(super) const BACKGROUND: Colour = [24, 128, 128];
pub(super) const WHITE: Colour = [235, 128, 128];
/// A face is cut at its sides as long as this much of it stays; else it gets bars.
const KEPT_MIN: f64 = 0.7;
/// Of a tile's picture behind its name this much stays, in 256ths.
const SHADE: u16 = 90;
const LABEL_HEIGHT: usize = 22;
const PADDING: usize = 6;

/// How a picture fills its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fit {
    /// All of it is seen.
    Whole,
    /// It fills the tile, if little is lost by that.
    Cover,
}

/// The picture that is composed.
pub(super) struct Canvas {
    pub(super) picture: Picture,
    font: Type,
    resizer: Resizer,
    /// A picture on its way from lying to standing.
    turned: Picture,
}

impl Canvas {
    pub(super) fn new() -> Self {
        let mut canvas = Self {
            picture: Picture::new(WIDTH, HEIGHT),
            font: Type::new(),
            resizer: Resizer::new(),
            turned: Picture::default(),
        };
        canvas.fill(Rect::at(0, 0, WIDTH, HEIGHT), BACKGROUND);

        canvas
    }

    pub(super) fn fill(&mut self, rect: Rect, colour: Colour) {
        for (at, plane) in self.picture.planes.iter_mut().enumerate() {
            let rect = in_plane(rect, at);
            for y in rect.y..rect.y + rect.height {
                plane.row_mut(y)[rect.x..rect.x + rect.width].fill(colour[at]);
            }
        }
    }

    /// Shows a picture in a tile, turned as its orientation says (3GPP TS 26.114, section 7.4.5).
    pub(super) fn show(&mut self, from: &Picture, orientation: u8, fit: Fit, tile: Rect) {
        let mut turned = std::mem::take(&mut self.turned);
        let from = match turn(from, orientation, &mut turned) {
            true => &turned,
            false => from,
        };
        self.scale(from, fit, tile);
        self.turned = turned;
    }

    fn scale(&mut self, from: &Picture, fit: Fit, tile: Rect) {
        let (width, height) = (from.width(), from.height());
        let ratio = (width * tile.height) as f64 / (height * tile.width) as f64;
        let kept = ratio.min(ratio.recip());
        let cover = fit == Fit::Cover && kept >= KEPT_MIN;
        let place = if cover { tile } else { tile.fit(width, height) };
        if place != tile {
            self.fill(tile, BACKGROUND);
        }
        for (at, plane) in from.planes.iter().enumerate() {
            let to = in_plane(place, at);
            let (width, height) = (plane.width() as f64, plane.height() as f64);
            // The part of the plane that is seen.
            let crop = match cover {
                true if ratio > 1.0 => (width * (1.0 - kept) / 2.0, 0.0, width * kept, height),
                true => (0.0, height * (1.0 - kept) / 2.0, width, height * kept),
                false => (0.0, 0.0, width, height),
            };
            scale_plane(&mut self.resizer, plane, crop, &mut self.picture.planes[at], to);
        }
    }

    /// Draws a frame within a tile's edges.
    pub(super) fn frame(&mut self, tile: Rect, thick: usize, colour: Colour) {
        let Rect { x, y, width, height } = tile;
        self.fill(Rect::at(x, y, width, thick), colour);
        self.fill(Rect::at(x, y + height - thick, width, thick), colour);
        self.fill(Rect::at(x, y, thick, height), colour);
        self.fill(Rect::at(x + width - thick, y, thick, height), colour);
    }

    /// Writes a name at the tile's lower left, on a shade.
    pub(super) fn label(&mut self, tile: Rect, name: &str) {
        let room = tile.width.saturating_sub(4 * PADDING);
        let mask = self.font.line(name, LABEL_HEIGHT - 4, room);
        if mask.width == 0 {
            return;
        }
        let width = (mask.width + 2 * PADDING).div_ceil(2) * 2;
        let y = tile.y + tile.height - LABEL_HEIGHT - 4;
        let strip = Rect::at(tile.x + 4, y, width.min(tile.width - 4), LABEL_HEIGHT);
        self.shade(strip);
        self.ink(&mask, strip.x + PADDING, strip.y + 2);
    }

    /// Writes a name in a tile's middle, as large as fits.
    pub(super) fn title(&mut self, tile: Rect, name: &str) {
        let height = (tile.height / 6).clamp(18, 72);
        let mask = self.font.line(name, height, tile.width.saturating_sub(4 * PADDING));
        let x = tile.x + (tile.width - mask.width) / 2;
        self.ink(&mask, x, tile.y + (tile.height - height) / 2);
    }

    fn shade(&mut self, strip: Rect) {
        for (at, plane) in self.picture.planes.iter_mut().enumerate() {
            let rect = in_plane(strip, at);
            let to = if at == 0 { 16 } else { 128 };
            for y in rect.y..rect.y + rect.height {
                for sample in &mut plane.row_mut(y)[rect.x..rect.x + rect.width] {
                    *sample = blend(to, *sample, SHADE);
                }
            }
        }
    }

    /// Blends a mask's white into luma; beneath letters colour would hardly be seen.
    fn ink(&mut self, mask: &Mask, x: usize, y: usize) {
        let luma = &mut self.picture.planes[0];
        for (row, cover) in mask.cover.chunks_exact(mask.width.max(1)).enumerate() {
            let pixels = &mut luma.row_mut(y + row)[x..x + mask.width];
            for (pixel, cover) in pixels.iter_mut().zip(cover) {
                *pixel = blend(*pixel, WHITE[0], u16::from(*cover));
            }
        }
    }
}

/// Between two values, with `share` 256ths of the second.
fn blend(from: u8, to: u8, share: u16) -> u8 {
    ((u16::from(from) * (256 - share) + u16::from(to) * share) >> 8) as u8
}

/// The same part in a plane: chroma has half as many samples.
fn in_plane(rect: Rect, plane: usize) -> Rect {
    match plane {
        0 => rect,
        _ => Rect::at(rect.x / 2, rect.y / 2, rect.width / 2, rect.height / 2),
    }
}

/// Scales `crop` (left, top, width, height) of a plane into a part of another one.
fn scale_plane(
    resizer: &mut Resizer,
    from: &Plane,
    crop: (f64, f64, f64, f64),
    to: &mut Plane,
    rect: Rect,
) {
    let size = (rect.width as f64, rect.height as f64);
    if crop == (0.0, 0.0, size.0, size.1) {
        let rows = from.bytes().chunks_exact(rect.width);
        for (y, row) in rows.enumerate() {
            to.row_mut(rect.y + y)[rect.x..rect.x + rect.width].copy_from_slice(row);
        }
        return;
    }
    let (width, height) = (to.width() as u32, to.height() as u32);
    let source =
        ImageRef::new(from.width() as u32, from.height() as u32, from.bytes(), PixelType::U8);
    let target = Image::from_slice_u8(width, height, to.bytes_mut(), PixelType::U8);
    let (Ok(source), Ok(mut target)) = (source, target) else { return };
    let [left, top, across, down] =
        [rect.x, rect.y, rect.width, rect.height].map(|side| side as u32);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(crop.0, crop.1, crop.2, crop.3)
        .use_alpha(false);
    if let Ok(mut part) = CroppedImageMut::new(&mut target, left, top, across, down) {
        // Sizes were checked on both sides: an error would leave what was there.
        let _ = resizer.resize(&source, &mut part, &options);
    }
}

/// Turns a picture upright; false when it is already.
fn turn(from: &Picture, orientation: u8, to: &mut Picture) -> bool {
    let (flip, quarters) = (orientation & 4 != 0, orientation & 3);
    if !flip && quarters == 0 {
        return false;
    }
    for (from, to) in from.planes.iter().zip(&mut to.planes) {
        turn_plane(from, flip, quarters, to);
    }

    true
}

/// Mirrors a plane, if told, and turns it clockwise by quarters: what a camera turned the other way
/// has seen.
fn turn_plane(from: &Plane, flip: bool, quarters: u8, to: &mut Plane) {
    let (width, height) = (from.width(), from.height());
    match quarters {
        0 | 2 => to.resize(width, height),
        _ => to.resize(height, width),
    }
    let across = to.width();
    for (at, sample) in to.bytes_mut().iter_mut().enumerate() {
        let (x, y) = (at % across, at / across);
        let (x, y) = match quarters {
            0 => (x, y),
            1 => (y, height - 1 - x),
            2 => (width - 1 - x, height - 1 - y),
            _ => (width - 1 - y, x),
        };
        let x = if flip { width - 1 - x } else { x };
        *sample = from.bytes()[y * width + x];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(canvas: &Canvas, x: usize, y: usize) -> u8 {
        canvas.picture.planes[0].bytes()[y * WIDTH + x]
    }

    /// Left half dark, right half bright.
    fn halves(width: usize, height: usize) -> Picture {
        let mut picture = Picture::new(width, height);
        for y in 0..height {
            picture.planes[0].row_mut(y)[..width / 2].fill(50);
            picture.planes[0].row_mut(y)[width / 2..].fill(200);
        }

        picture
    }

    #[test]
    fn a_picture_is_scaled_into_its_tile_and_nowhere_else() {
        let mut canvas = Canvas::new();
        let tile = Rect::at(640, 0, 640, 360);
        for size in [(320, 180), (640, 360), (1920, 1080)] {
            canvas.show(&halves(size.0, size.1), 0, Fit::Cover, tile);
            assert_eq!((luma(&canvas, 700, 180), luma(&canvas, 1200, 180)), (50, 200));
            assert_eq!(luma(&canvas, 630, 180), BACKGROUND[0]);
            assert_eq!(luma(&canvas, 900, 361), BACKGROUND[0]);
        }
    }

    #[test]
    fn what_does_not_fit_gets_bars_and_what_nearly_fits_is_cut() {
        let (mut canvas, tile) = (Canvas::new(), Rect::at(0, 0, 1280, 720));
        canvas.show(&halves(360, 640), 0, Fit::Cover, tile);
        assert_eq!(luma(&canvas, 10, 360), BACKGROUND[0]);
        assert_eq!((luma(&canvas, 500, 360), luma(&canvas, 780, 360)), (50, 200));
        canvas.show(&halves(640, 480), 0, Fit::Cover, tile);
        assert_eq!((luma(&canvas, 1, 1), luma(&canvas, 1270, 715)), (50, 200));
        canvas.show(&halves(640, 480), 0, Fit::Whole, tile);
        assert_eq!(luma(&canvas, 10, 360), BACKGROUND[0]);
    }

    #[test]
    fn pictures_are_turned_upright() {
        let (mut canvas, tile) = (Canvas::new(), Rect::at(0, 0, 640, 360));
        let corners = [(20, 20), (620, 340)];
        let seen = |orientation, canvas: &mut Canvas| {
            canvas.show(&halves(640, 360), orientation, Fit::Cover, tile);
            corners.map(|(x, y)| luma(canvas, x, y))
        };
        assert_eq!(seen(2, &mut canvas), [200, 50]);
        assert_eq!(seen(4, &mut canvas), [200, 50]);
        // Turned to the right, what was at the left is at the top.
        canvas.show(&halves(640, 360), 1, Fit::Whole, tile);
        assert_eq!([20, 340].map(|y| luma(&canvas, 320, y)), [50, 200]);
        canvas.show(&halves(640, 360), 3, Fit::Whole, tile);
        assert_eq!([20, 340].map(|y| luma(&canvas, 320, y)), [200, 50]);
    }

    #[test]
    fn a_name_is_written_on_a_shade_within_its_tile() {
        let mut canvas = Canvas::new();
        let tile = Rect::at(0, 0, 256, 144);
        canvas.fill(tile, WHITE);
        canvas.label(tile, &"wide name ".repeat(20));
        let row = (tile.height - 10) * WIDTH;
        let pixels = &canvas.picture.planes[0].bytes()[row..row + WIDTH];
        assert!(pixels[4..250].iter().any(|pixel| *pixel < 120), "a shade");
        assert!(pixels[256..].iter().all(|pixel| *pixel == BACKGROUND[0]));
    }
}
