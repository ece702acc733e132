//! The queue: a stream with one consumer group, and what it cannot hold beside it.

use super::keys;
use super::member::Shared;
use crate::Error;
use crate::queue::{DEAD_LISTED_MAX, DeadJob, JOBS_MAX, Job, SILENT};
use ::redis::{AsyncCommands, Script, ScriptInvocation, pipe};
use std::collections::BTreeMap;
use std::time::Duration;

impl Shared {
    pub(crate) async fn push(
        &self,
        queue: &str,
        key: &str,
        payload: Vec<u8>,
    ) -> Result<bool, Error> {
        let pushed: i64 = self
            .line
            .run(async |mut line| {
                let mut push = on(&self.scripts.push, queue);
                push.arg(key).arg(payload).arg(JOBS_MAX).invoke_async(&mut line).await
            })
            .await?;

        if pushed < 0 { Err(Error::Full("the queue")) } else { Ok(pushed == 1) }
    }

    pub(crate) async fn claim(
        &self,
        queue: &str,
        consumer: &str,
        lease: Duration,
    ) -> Result<Option<Job>, Error> {
        let claimed: Option<(String, Vec<u8>, u32, String)> = self
            .line
            .run(async |mut line| {
                let mut claim = on(&self.scripts.claim, queue);
                claim.arg(consumer).arg(lease.as_millis() as u64).arg(self.timings.attempts_max);
                claim.arg(SILENT).invoke_async(&mut line).await
            })
            .await?;
        let job = |(key, payload, attempt, entry)| {
            let (queue, consumer) = (queue.to_owned(), consumer.to_owned());
            Job { queue, key, payload, attempt, consumer, entry }
        };

        Ok(claimed.map(job))
    }

    /// Holds the job from now on; `_lease` is what all consumers claim with.
    pub(crate) async fn renew(&self, job: &Job, _lease: Duration) -> Result<(), Error> {
        self.on_held(&self.scripts.renew, job, &[]).await
    }

    pub(crate) async fn done(&self, job: &Job) -> Result<(), Error> {
        self.on_held(&self.scripts.done, job, &[]).await
    }

    pub(crate) async fn fail(&self, job: &Job, reason: &str) -> Result<(), Error> {
        let is_last = job.attempt >= self.timings.attempts_max;
        let pause = self.timings.pause(job.attempt).as_millis().to_string();
        let pause = if is_last { "" } else { &pause };

        self.on_held(&self.scripts.fail, job, &[pause, reason]).await
    }

    async fn on_held(&self, script: &Script, job: &Job, more: &[&str]) -> Result<(), Error> {
        let is_held: bool = self
            .line
            .run(async |mut line| {
                let mut end = on(script, &job.queue);
                end.arg(&job.key).arg(job.attempt).arg(&job.entry).arg(&job.consumer).arg(more);
                end.invoke_async(&mut line).await
            })
            .await?;

        if is_held { Ok(()) } else { Err(Error::Lost) }
    }

    pub(crate) async fn dead(&self, queue: &str) -> Result<Vec<DeadJob>, Error> {
        let [_, jobs, attempts, _, dead] = keys::queue(queue);
        self.line
            .run(async |mut line| {
                let reasons: BTreeMap<String, String> = line.hgetall(dead).await?;
                let listed: Vec<(String, String)> =
                    reasons.into_iter().take(DEAD_LISTED_MAX).collect();
                if listed.is_empty() {
                    return Ok(Vec::new());
                }
                let mut asked = pipe();
                for (key, _) in &listed {
                    asked.hget(&jobs, key).hget(&attempts, key);
                }
                let found: Vec<Option<Vec<u8>>> = asked.query_async(&mut line).await?;
                let job = |((key, reason), found): ((String, String), &[Option<Vec<u8>>])| {
                    let text = found[1].as_deref().map(String::from_utf8_lossy);
                    let attempts = text.and_then(|text| text.parse().ok()).unwrap_or_default();
                    let payload = found[0].clone().unwrap_or_default();
                    DeadJob { key, payload, attempts, reason }
                };
                Ok(listed.into_iter().zip(found.chunks_exact(2)).map(job).collect())
            })
            .await
    }

    pub(crate) async fn retry(&self, queue: &str, key: &str) -> Result<bool, Error> {
        self.line
            .run(async |mut line| {
                on(&self.scripts.retry, queue).arg(key).invoke_async(&mut line).await
            })
            .await
    }
}

/// A script on the keys of a queue.
fn on<'a>(script: &'a Script, queue: &str) -> ScriptInvocation<'a> {
    let mut invocation = script.prepare_invoke();
    for key in keys::queue(queue) {
        invocation.key(key);
    }

    invocation
}
