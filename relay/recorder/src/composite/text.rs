//! Names, as masks to be blended into a picture.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont};

/// Latin, Greek, Cyrillic, Armenian and Hebrew letters (font/LICENSE).
const FONT: &[u8] = include_bytes!("font/DejaVuSans.ttf");
/// What stands for letters that the font has not.
const UNKNOWN: char = '\u{fffd}';
const ELLIPSIS: char = '…';
/// Letters of the longest name that is drawn.
const LETTERS_MAX: usize = 80;

/// How much of each pixel is covered, 0..=255, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) cover: Vec<u8>,
}

/// The font.
pub(super) struct Type(FontRef<'static>);

impl Type {
    pub(super) fn new() -> Self {
        Self(FontRef::try_from_slice(FONT).expect("the font was built in"))
    }

    /// A line of text of this height, cut short with an ellipsis where it gets wider than
    /// `width_max`.
    pub(super) fn line(&self, text: &str, height: usize, width_max: usize) -> Mask {
        let font = self.0.as_scaled(PxScale::from(height as f32));
        let printable = text.chars().filter(|letter| !letter.is_control());
        let letters: Vec<char> = printable.take(LETTERS_MAX).collect();
        let room = width_max as f32;
        let mut glyphs = self.place(&letters, height);
        if glyphs.last().is_some_and(|(_, end)| *end > room) {
            let dots = font.h_advance(font.glyph_id(ELLIPSIS));
            let kept = glyphs.iter().take_while(|(_, end)| *end + dots <= room).count();
            let mut short = letters[..kept].to_vec();
            short.push(ELLIPSIS);
            glyphs = self.place(&short, height);
        }
        let width = glyphs.last().map_or(0, |(_, end)| end.ceil() as usize).min(width_max);
        let mut mask = Mask { width, height, cover: vec![0; width * height] };
        for (glyph, _) in glyphs {
            self.draw(glyph, &mut mask);
        }

        mask
    }

    /// The glyphs of a line, each with where it ends.
    fn place(&self, letters: &[char], height: usize) -> Vec<(ab_glyph::Glyph, f32)> {
        let scale = PxScale::from(height as f32);
        let font = self.0.as_scaled(scale);
        let (mut pen, mut last) = (0.0, None);
        let mut glyphs = Vec::with_capacity(letters.len());
        for letter in letters {
            let id = self.glyph(*letter);
            pen += last.map_or(0.0, |last| font.kern(last, id));
            let at = ab_glyph::point(pen, font.ascent());
            pen += font.h_advance(id);
            glyphs.push((id.with_scale_and_position(scale, at), pen));
            last = Some(id);
        }

        glyphs
    }

    fn glyph(&self, letter: char) -> GlyphId {
        let id = self.0.glyph_id(letter);

        if id.0 == 0 { self.0.glyph_id(UNKNOWN) } else { id }
    }

    fn draw(&self, glyph: ab_glyph::Glyph, mask: &mut Mask) {
        let Some(outline) = self.0.outline_glyph(glyph) else { return };
        let bounds = outline.px_bounds();
        let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
        outline.draw(|x, y, cover| {
            let (x, y) = (left + i64::from(x), top + i64::from(y));
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
            if x < mask.width && y < mask.height {
                let pixel = &mut mask.cover[y * mask.width + x];
                *pixel = (*pixel).max((cover * 255.0) as u8);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(mask: &Mask) -> usize {
        mask.cover.iter().filter(|cover| **cover > 128).count()
    }

    #[test]
    fn names_of_many_scripts_are_drawn() {
        let font = Type::new();
        let unknown = font.line("\u{fffd}\u{fffd}\u{fffd}", 24, 500);
        for name in ["Ada", "Żółć", "Ελένη", "Юлия", "Åsa"] {
            let mask = font.line(name, 24, 500);
            assert!(ink(&mask) > 60 && mask.height == 24, "{name}");
            assert_ne!(mask, unknown, "{name}");
        }
        assert_eq!(font.line("日本語", 24, 500), unknown);
    }

    #[test]
    fn a_long_name_ends_with_dots_and_an_empty_one_is_empty() {
        let font = Type::new();
        let long = "a".repeat(10_000);
        let mask = font.line(&long, 20, 100);
        assert!(mask.width <= 100 && mask.width > 80);
        assert!(ink(&mask) > 60);
        assert_eq!(font.line("", 20, 100).width, 0);
        assert_eq!(font.line("\n\t\u{7}", 20, 100).width, 0);
        assert!(font.line("wide", 20, 1).width <= 1);
    }
}
