//! The SSRCs of one direction, bounded.

use super::replay::Window;
use crate::DropReason;
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// SSRCs of which only the end is remembered, beyond those that have a window.
const RETIRED_MAX: usize = 1024;

/// One window per SSRC; an SSRC gets its window with the first packet accepted. When there is no
/// more room, the SSRC that was silent longest leaves its window to the new one: of it is then
/// known where it ended, so that nothing that was seen before is ever accepted again.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    by_ssrc: HashMap<u32, Stream, FixedState>,
    retired: HashMap<u32, u64, FixedState>,
    max: usize,
    /// Counts packets: the time of `Stream::used`.
    clock: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    window: Window,
    used: u64,
}

impl Streams {
    /// At most `max` SSRCs with a window.
    pub(super) fn new(max: usize) -> Self {
        Self { by_ssrc: HashMap::default(), retired: HashMap::default(), max, clock: 0 }
    }

    /// Runs `accept` on an SSRC's window; a new SSRC stays only if `accept` succeeds.
    pub(super) fn with<T>(
        &mut self,
        ssrc: u32,
        accept: impl FnOnce(&mut Window) -> Result<T, DropReason>,
    ) -> Result<T, DropReason> {
        self.clock += 1;
        if let Some(known) = self.by_ssrc.get_mut(&ssrc) {
            known.used = self.clock;
            return accept(&mut known.window);
        }
        let ended = self.retired.get(&ssrc).copied();
        let full = self.by_ssrc.len() >= self.max;
        if full && ended.is_none() && self.retired.len() >= RETIRED_MAX {
            return Err(DropReason::SsrcLimit);
        }
        let mut window = ended.map_or_else(Window::default, Window::behind);
        let accepted = accept(&mut window)?;
        self.retired.remove(&ssrc);
        if full {
            self.retire();
        }
        self.by_ssrc.insert(ssrc, Stream { window, used: self.clock });

        Ok(accepted)
    }

    fn retire(&mut self) {
        let silent = self.by_ssrc.iter().min_by_key(|(_, stream)| stream.used);
        let Some(ssrc) = silent.map(|(ssrc, _)| *ssrc) else { return };
        if let Some(stream) = self.by_ssrc.remove(&ssrc) {
            self.retired.insert(ssrc, stream.window.end());
        }
    }
}
