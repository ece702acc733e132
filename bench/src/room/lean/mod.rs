//! Media of lean clients: plain threads, each with its share of the connections.

mod client;
mod incoming;
mod sender;
#[cfg(test)]
mod tests;
mod worker;

pub(super) use client::{Client, Wants};
pub(super) use sender::Sender;
pub(super) use worker::Outcome;

use super::run::Run;
use anyhow::{Context, Result, bail};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use worker::Worker;

/// The threads, until they are asked for what they counted.
pub(super) struct Threads {
    clients: Vec<mpsc::Sender<Client>>,
    workers: Vec<JoinHandle<Result<Outcome>>>,
    next: AtomicUsize,
    stop: Arc<AtomicBool>,
}

impl Threads {
    /// Starts `count` threads, that serve nobody yet.
    pub(super) fn start(count: usize, run: &Arc<Run>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut clients, mut workers) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (sender, receiver) = mpsc::channel();
            let worker = Worker::new(Arc::clone(run), receiver, Arc::clone(&stop))?;
            let thread = thread::Builder::new().name(format!("clients-{number}"));
            workers.push(thread.spawn(move || worker.run()).context("no thread for clients")?);
            clients.push(sender);
        }

        Ok(Self { clients, workers, next: AtomicUsize::new(0), stop })
    }

    /// Hands a client to the thread whose turn it is.
    pub(super) fn serve(&self, client: Client) -> Result<()> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        if self.clients[next % self.clients.len()].send(client).is_err() {
            bail!("a thread of the clients has ended");
        }

        Ok(())
    }

    /// Ends them all; what they counted.
    pub(super) fn stop(&mut self) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Outcome::default();
        for worker in self.workers.drain(..) {
            let outcome = worker.join().ok().context("a thread of the clients failed")??;
            sum.add(&outcome);
        }

        Ok(sum)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
