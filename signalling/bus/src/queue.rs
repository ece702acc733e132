//! Jobs: claimed for a time, done or failed, tried again, put aside when nothing helps.

/// Jobs of one queue that are not done, dead ones included.
pub(crate) const JOBS_MAX: usize = 10_000;
/// Dead jobs that are listed at once.
pub(crate) const DEAD_LISTED_MAX: usize = 100;
/// Why a job is dead whose consumers never said.
pub(crate) const SILENT: &str = "every attempt ended without a word";

/// A job that somebody has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The queue.
    pub queue: String,
    /// What the job is known by: a second push of the same key is the same job.
    pub key: String,
    /// What is to be done.
    pub payload: Vec<u8>,
    /// The number of this attempt, from 1. Whoever holds the job knows it by this, too.
    pub attempt: u32,
    /// Who claimed it.
    pub consumer: String,
    /// What Redis calls this claim.
    pub(crate) entry: String,
}

/// A job that nobody tries any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadJob {
    /// The job's key.
    pub key: String,
    /// What was to be done.
    pub payload: Vec<u8>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
}
