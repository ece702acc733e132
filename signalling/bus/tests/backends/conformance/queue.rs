//! The durable queue.

use super::{World, node, three, timings};
use signalling_bus::{Bus, Error, Job};
use std::collections::BTreeSet;
use std::time::Duration;

const QUEUE: &str = "calls.ended:a";
const LEASE: Duration = Duration::from_millis(500);

async fn push(bus: &Bus, key: &str) -> bool {
    bus.push(QUEUE, key, format!("payload of {key}").into_bytes()).await.unwrap()
}

async fn claim(bus: &Bus) -> Option<Job> {
    bus.claim(QUEUE, bus.node(), LEASE).await.unwrap()
}

/// Waits until there is a job to claim.
async fn claim_in_time(bus: &Bus) -> Job {
    for _ in 0..200 {
        if let Some(job) = claim(bus).await {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no job came back");
}

pub(crate) async fn a_job_is_one_however_often_it_is_pushed(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    assert!(push(a, "first").await);
    assert!(push(b, "second").await);
    assert!(!push(b, "first").await);

    let job = claim(b).await.expect("a job");
    assert_eq!((job.key.as_str(), job.attempt), ("first", 1));
    assert_eq!((job.payload.as_slice(), job.queue.as_str()), (&b"payload of first"[..], QUEUE));
    assert!(!push(a, "first").await, "it is not done yet");
    b.done(&job).await.unwrap();
    assert_eq!(claim(a).await.expect("the other").key, "second");
    assert_eq!(claim(a).await, None);
    assert!(push(a, "first").await, "done: this is another one");
    assert_eq!(a.claim("another queue", "a", LEASE).await, Ok(None));
}

pub(crate) async fn each_job_is_given_to_one(world: &impl World) {
    let nodes = three(world).await;
    for number in 0..30 {
        push(&nodes[0].0, &format!("job {number:02}")).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (bus, _) in &nodes {
        let bus = bus.clone();
        tasks.spawn(async move {
            let mut keys = Vec::new();
            while let Some(job) = bus.claim(QUEUE, bus.node(), LEASE * 20).await.unwrap() {
                bus.done(&job).await.unwrap();
                keys.push(job.key);
            }
            keys
        });
    }
    let keys: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();

    assert_eq!(keys.len(), 30);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 30);
}

pub(crate) async fn an_ended_lease_gives_the_job_to_another(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    push(a, "call").await;
    let slow = claim(a).await.expect("the job");
    assert_eq!(claim(b).await, None);
    let job = claim_in_time(b).await;
    assert_eq!((job.key.as_str(), job.attempt, job.consumer.as_str()), ("call", 2, "b"));

    assert_eq!(a.renew(&slow, LEASE).await, Err(Error::Lost));
    assert_eq!(a.done(&slow).await, Err(Error::Lost));
    assert_eq!(a.fail(&slow, "late").await, Err(Error::Lost));
    b.done(&job).await.unwrap();
    assert_eq!(b.done(&job).await, Err(Error::Lost));
}

pub(crate) async fn a_renewed_lease_holds_the_job(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    push(a, "call").await;
    let job = claim(a).await.expect("the job");
    for _ in 0..8 {
        tokio::time::sleep(LEASE / 4).await;
        a.renew(&job, LEASE).await.unwrap();
        assert_eq!(claim(b).await, None);
    }
    a.done(&job).await.unwrap();
    tokio::time::sleep(LEASE * 2).await;

    assert_eq!(claim(b).await, None);
}

pub(crate) async fn a_failed_job_comes_back_after_a_pause_and_dies_in_the_end(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    push(&a, "call").await;
    for attempt in 1..=timings().attempts_max {
        let job = claim_in_time(&a).await;
        assert_eq!(job.attempt, attempt);
        a.fail(&job, &format!("reason {attempt}")).await.unwrap();
        assert_eq!(claim(&a).await, None, "no pause after attempt {attempt}");
    }
    tokio::time::sleep(timings().retry.1 * 2).await;

    assert_eq!(claim(&a).await, None);
    assert!(!push(&a, "call").await, "a dead job is still there");
    let dead = a.dead(QUEUE).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].key.as_str(), dead[0].attempts), ("call", timings().attempts_max));
    assert_eq!(
        (dead[0].reason.as_str(), &dead[0].payload[..]),
        ("reason 3", &b"payload of call"[..])
    );
}

pub(crate) async fn a_job_whose_consumers_vanish_dies(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    push(&a, "poison").await;
    for attempt in 1..=timings().attempts_max {
        assert_eq!(claim_in_time(&a).await.attempt, attempt);
    }
    tokio::time::sleep(LEASE * 2).await;
    push(&a, "good").await;

    assert_eq!(claim(&a).await.expect("the good one").key, "good");
    let dead = a.dead(QUEUE).await.unwrap();
    let dead: Vec<_> = dead.iter().map(|job| (job.key.as_str(), job.reason.as_str())).collect();
    assert_eq!(dead, [("poison", "every attempt ended without a word")]);
}

pub(crate) async fn a_dead_job_can_be_tried_again(world: &impl World) {
    let (a, _events) = node(world, "a").await;
    push(&a, "call").await;
    assert!(!a.retry(QUEUE, "call").await.unwrap(), "it is not dead");
    for _ in 0..timings().attempts_max {
        a.fail(&claim_in_time(&a).await, "no").await.unwrap();
    }
    assert!(a.retry(QUEUE, "call").await.unwrap());
    assert!(!a.retry(QUEUE, "nothing").await.unwrap());

    assert_eq!(a.dead(QUEUE).await.unwrap(), []);
    let job = claim(&a).await.expect("the job");
    assert_eq!((job.attempt, &job.payload[..]), (1, &b"payload of call"[..]));
    a.done(&job).await.unwrap();
}
