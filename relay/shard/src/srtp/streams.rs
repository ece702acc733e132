//! The SSRCs of one direction, bounded.

use super::replay::Window;
use crate::DropReason;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// One window per SSRC; an SSRC gets its window with the first packet accepted.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    by_ssrc: HashMap<u32, Window, FixedState>,
    max: usize,
}

impl Streams {
    /// At most `max` SSRCs.
    pub(super) fn new(max: usize) -> Self {
        Self { by_ssrc: HashMap::default(), max }
    }

    /// Runs `accept` on an SSRC's window; a new SSRC stays only if `accept` succeeds.
    pub(super) fn with<T>(
        &mut self,
        ssrc: u32,
        accept: impl FnOnce(&mut Window) -> Result<T, DropReason>,
    ) -> Result<T, DropReason> {
        let full = self.by_ssrc.len() >= self.max;
        match self.by_ssrc.entry(ssrc) {
            Entry::Occupied(mut known) => accept(known.get_mut()),
            Entry::Vacant(_) if full => Err(DropReason::SsrcLimit),
            Entry::Vacant(new) => {
                let mut window = Window::default();
                let accepted = accept(&mut window)?;
                new.insert(window);

                Ok(accepted)
            }
        }
    }
}
