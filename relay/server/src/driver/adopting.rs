//! Going on with what an earlier process left, and telling steering everything.

use super::Driver;
use crate::bind::Patience;
use crate::io::Io;
use relay_shard::{NotAdopted, Standing};
use std::time::Instant;

impl<I: Io> Driver<I> {
    /// Goes on with these allocations: their ports are bound again before anything is answered.
    /// Then steering knows all that there is.
    pub(crate) fn adopt(&mut self, standing: &[Standing]) {
        let now = Instant::now();
        let (mut lost, patience) = (0, Patience::new());
        for standing in standing {
            if let Err(reason) = self.adopt_one(now, standing, &patience) {
                tracing::debug!(shard = self.index, ?reason, ?standing, "not gone on with");
                lost += 1;
            }
        }
        if !standing.is_empty() {
            let adopted = standing.len() - lost;
            tracing::info!(shard = self.index, adopted, lost, "allocations of before");
        }
        self.retell(now);
    }

    /// Tells steering everything that stands.
    pub(super) fn retell(&mut self, now: Instant) {
        self.settle(now);
        self.shard.retell(&mut self.out);
        let all = std::mem::take(&mut self.out.events);
        if let Some(steering) = &self.shared.steering {
            steering.tell_all(self.index, all);
        }
    }

    fn adopt_one(
        &mut self,
        now: Instant,
        standing: &Standing,
        patience: &Patience,
    ) -> Result<(), NotAdopted> {
        let mut open = Vec::new();
        for (relayed, _) in standing.relayed.iter().filter(|(_, expires)| *expires > now) {
            match self.io.open(*relayed, patience) {
                Ok(()) => open.push(*relayed),
                Err(_) => break,
            }
        }
        let all = standing.relayed.iter().filter(|(_, expires)| *expires > now).count();
        let adopted = match open.len() == all {
            true => self.shard.adopt(now, standing, &mut self.out),
            false => Err(NotAdopted::Elsewhere),
        };
        if adopted.is_err() {
            open.into_iter().for_each(|relayed| self.io.close(relayed));
        }

        adopted
    }
}
