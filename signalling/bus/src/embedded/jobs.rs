//! The queue in the store: each step is one record on the disk, so that a job which kills its
//! consumer, and the process, is counted all the same.

use super::member::Member;
use super::store::{Key, Map, Put, Value};
use crate::queue::{DEAD_LISTED_MAX, DeadJob, JOBS_MAX, Job, SILENT};
use crate::{Error, Timings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptJob {
    /// Its place in the queue.
    number: u64,
    payload: Vec<u8>,
    attempts: u32,
    /// When it may be claimed, milliseconds since the Unix epoch.
    due_ms: u64,
    /// Whether somebody has claimed it and has not said how it ended.
    held: bool,
    /// Why it is dead, if it is.
    dead: Option<String>,
}

impl Member {
    pub(crate) async fn push(
        &self,
        queue: &str,
        key: &str,
        payload: Vec<u8>,
    ) -> Result<bool, Error> {
        let (queue, key) = (queue.to_owned(), key.to_owned());
        let push = move |map: &Map, now: u64| {
            let slot = Key::Job(queue.clone(), key);
            if map.contains_key(&slot) {
                return Ok((false, Vec::new()));
            }
            let (count, last) =
                jobs(map, &queue).fold((0, 0), |(n, last), (_, job)| (n + 1, last.max(job.number)));
            if count >= JOBS_MAX {
                return Err(Error::Full("the queue"));
            }
            let job = KeptJob {
                number: last + 1,
                payload,
                attempts: 0,
                due_ms: now,
                held: false,
                dead: None,
            };
            Ok((true, vec![(slot, Some(Value::Job(job)))]))
        };

        self.store.update(push).await
    }

    pub(crate) async fn claim(
        &self,
        queue: &str,
        consumer: &str,
        lease: Duration,
    ) -> Result<Option<Job>, Error> {
        let (queue, consumer, timings) = (queue.to_owned(), consumer.to_owned(), self.timings);
        // Most claims find nothing: those touch no disk.
        let now = self.store.unix_ms();
        if self.store.read(|map| jobs(map, &queue).all(|(_, job)| !job.is_due(now))) {
            return Ok(None);
        }

        let claim = move |map: &Map, now| {
            let mut due: Vec<_> = jobs(map, &queue).filter(|(_, job)| job.is_due(now)).collect();
            due.sort_by_key(|(_, job)| job.number);
            let mut puts = Vec::new();
            for (key, job) in due {
                let (job, given) = claimed(&queue, key, job, &consumer, now, lease, &timings);
                puts.push(put(&queue, key, job));
                if given.is_some() {
                    return Ok((given, puts));
                }
            }
            Ok((None, puts))
        };

        self.store.update(claim).await
    }

    pub(crate) async fn renew(&self, job: &Job, lease: Duration) -> Result<(), Error> {
        self.end_attempt(job, move |mut kept, now| {
            kept.due_ms = now + lease.as_millis() as u64;
            Some(kept)
        })
        .await
    }

    pub(crate) async fn done(&self, job: &Job) -> Result<(), Error> {
        self.end_attempt(job, |_, _| None).await
    }

    pub(crate) async fn fail(&self, job: &Job, reason: &str) -> Result<(), Error> {
        let (reason, timings) = (reason.to_owned(), self.timings);
        self.end_attempt(job, move |mut kept, now| {
            kept.held = false;
            kept.due_ms = now + timings.pause(kept.attempts).as_millis() as u64;
            kept.dead = (kept.attempts >= timings.attempts_max).then_some(reason);
            Some(kept)
        })
        .await
    }

    /// Puts what `end` makes of a job in its place, if it is held by who says so.
    async fn end_attempt(
        &self,
        job: &Job,
        end: impl FnOnce(KeptJob, u64) -> Option<KeptJob> + Send + 'static,
    ) -> Result<(), Error> {
        let (slot, attempt) = (Key::Job(job.queue.clone(), job.key.clone()), job.attempt);
        let change = move |map: &Map, now: u64| {
            let Some(Value::Job(kept)) = map.get(&slot) else { return Err(Error::Lost) };
            if !kept.held || kept.attempts != attempt {
                return Err(Error::Lost);
            }
            let ended = end(kept.clone(), now).map(Value::Job);
            Ok(((), vec![(slot, ended)]))
        };

        self.store.update(change).await
    }

    pub(crate) async fn dead(&self, queue: &str) -> Result<Vec<DeadJob>, Error> {
        let dead = |(key, job): (&String, &KeptJob)| {
            let (payload, attempts) = (job.payload.clone(), job.attempts);
            job.dead.clone().map(|reason| DeadJob { key: key.clone(), payload, attempts, reason })
        };

        Ok(self.store.read(|map| jobs(map, queue).filter_map(dead).take(DEAD_LISTED_MAX).collect()))
    }

    pub(crate) async fn retry(&self, queue: &str, key: &str) -> Result<bool, Error> {
        let slot = Key::Job(queue.to_owned(), key.to_owned());
        let retry = move |map: &Map, now: u64| {
            let Some(Value::Job(job)) = map.get(&slot).filter(|value| value.is_dead()) else {
                return Ok((false, Vec::new()));
            };
            let job = KeptJob { attempts: 0, due_ms: now, held: false, dead: None, ..job.clone() };
            Ok((true, vec![(slot, Some(Value::Job(job)))]))
        };

        self.store.update(retry).await
    }
}

impl KeptJob {
    fn is_due(&self, now: u64) -> bool {
        self.dead.is_none() && self.due_ms <= now
    }
}

impl Value {
    fn is_dead(&self) -> bool {
        matches!(self, Self::Job(job) if job.dead.is_some())
    }
}

/// A job after somebody asked for it, and what he is given: nothing if it had its attempts.
fn claimed(
    queue: &str,
    key: &str,
    job: &KeptJob,
    consumer: &str,
    now: u64,
    lease: Duration,
    timings: &Timings,
) -> (KeptJob, Option<Job>) {
    let mut job = job.clone();
    if job.attempts >= timings.attempts_max {
        job.dead = Some(SILENT.to_owned());
        job.held = false;
        return (job, None);
    }
    job.attempts += 1;
    job.held = true;
    job.due_ms = now + lease.as_millis() as u64;
    let given = Job {
        queue: queue.to_owned(),
        key: key.to_owned(),
        payload: job.payload.clone(),
        attempt: job.attempts,
        consumer: consumer.to_owned(),
        entry: String::new(),
    };

    (job, Some(given))
}

fn put(queue: &str, key: &str, job: KeptJob) -> Put {
    (Key::Job(queue.to_owned(), key.to_owned()), Some(Value::Job(job)))
}

fn jobs<'a>(map: &'a Map, queue: &str) -> impl Iterator<Item = (&'a String, &'a KeptJob)> {
    let from = Key::Job(queue.to_owned(), String::new());
    let queue = queue.to_owned();

    map.range(from..).map_while(move |entry| match entry {
        (Key::Job(of, key), Value::Job(job)) if *of == queue => Some((key, job)),
        _ => None,
    })
}
