//! Tells whoever runs the relay that a shard died: the process should end and be started afresh.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Default)]
struct State {
    reason: Option<String>,
    wakers: Vec<Waker>,
}

/// Resolves to the reason when the relay has failed; clones watch the same relay.
#[derive(Clone, Default)]
pub struct Failed(Arc<(Mutex<State>, Condvar)>);

impl Failed {
    /// The reason, if the relay has failed.
    pub fn reason(&self) -> Option<String> {
        self.state().reason.clone()
    }

    /// Blocks until the relay has failed or `timeout` passed; the reason in the first case.
    pub fn wait(&self, timeout: Duration) -> Option<String> {
        let alive = |state: &mut State| state.reason.is_none();
        let waited = self.0.1.wait_timeout_while(self.state(), timeout, alive);

        waited.unwrap_or_else(PoisonError::into_inner).0.reason.clone()
    }

    /// Records a failure; the first one counts. False if there was one before.
    pub(crate) fn fail(&self, reason: String) -> bool {
        let mut state = self.state();
        if state.reason.is_some() {
            return false;
        }
        tracing::error!(%reason, "the relay failed");
        state.reason = Some(reason);
        self.0.1.notify_all();
        std::mem::take(&mut state.wakers).into_iter().for_each(Waker::wake);

        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Failed {
    type Output = String;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<String> {
        let mut state = self.state();
        if let Some(reason) = &state.reason {
            return Poll::Ready(reason.clone());
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }

        Poll::Pending
    }
}
