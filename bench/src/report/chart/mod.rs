//! Charts as inline SVG, in colours that the page's style gives (`s0` to `s5`).

mod bars;
mod lines;
mod scale;

pub(super) use bars::{Bar, bars};
pub(super) use lines::{Axis, Lines, Point, Series};
pub(super) use scale::Scale;

/// Colours that there are.
pub(super) const COLOURS: usize = 6;
