//! One run of a load: everybody joins, packets are counted for a time, everybody leaves.

use super::figures::Measured;
use super::join::{self, JanusRoom, Join, Target, Venue};
use super::lean::{Outcome, Threads};
use super::load::{Clients, Load};
use super::run::{News, Run};
use super::str0m::Participant;
use crate::cost::{Meter, Reading};
use crate::figures::Sample;
use crate::impair::Impairments;
use crate::memory::Memory;
use crate::network::Cards;
use crate::rtc::Identity;
use crate::stamp;
use crate::token::ApiKey;
use anyhow::{Context, Result, bail};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Time for a participant to join, beyond the time until its turn.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the last packets to arrive after the measured time.
const GRACE: Duration = Duration::from_millis(500);
/// Time between the last join and the measured time: keyframes and feedback settle.
const SETTLE: Duration = Duration::from_secs(2);

/// The server that is measured.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// How clients get in, and where.
    pub(crate) join: Join,
    /// As `ws://HOST:PORT`.
    pub(crate) url: String,
    /// Its process, if it is on this machine and known.
    pub(crate) pid: Option<u32>,
    /// What is known of the cards before it.
    pub(crate) cards: Cards,
    /// Signs the participants' tokens.
    pub(crate) api_key: ApiKey,
    /// Name of the room; else a new one.
    pub(crate) room: Option<String>,
}

/// Puts a load on a server. What was measured until an error comes with it.
pub(crate) fn measure(load: &Load, server: &Server) -> (Sample, Result<()>) {
    let mut measured = Measured::default();
    let result = load.check(server.join).and_then(|()| {
        let target = Target::parse(&server.url)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(if load.clients == Clients::Lean {
                1
            } else {
                load.client_threads as usize
            })
            .enable_all()
            .build()?;
        runtime.block_on(conduct(load, server, target, &mut measured))
    });

    (measured.sample(load), result)
}

/// A run's people and what is heard of them.
struct Conductor<'a> {
    load: &'a Load,
    join: Join,
    venue: Arc<Venue>,
    heard: mpsc::UnboundedReceiver<News>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Option<Outcome>>,
}

async fn conduct(
    load: &Load,
    server: &Server,
    target: Target,
    measured: &mut Measured,
) -> Result<()> {
    let (news, heard) = mpsc::unbounded_channel();
    let run = Arc::new(Run::new(load.cast(), load.speakers_every(), news));
    let room = server.room.clone();
    let venue = Arc::new(Venue {
        threads: Threads::start(load.client_threads as usize, &run)?,
        identity: Identity::new()?,
        ip: target.local_ip().await?,
        target,
        room: room.unwrap_or_else(|| format!("bench-{:08x}", rand::random::<u32>())),
        api_key: server.api_key.clone(),
        janus: JanusRoom::new(server.room.clone()),
        impairments: load.impair.map(Impairments::new),
        run,
    });
    let (stop, tasks) = (watch::Sender::new(false), JoinSet::new());
    let mut conductor = Conductor { load, join: server.join, venue, heard, stop, tasks };
    let memory = |pid: Option<u32>| pid.map(Memory::of).transpose();
    let before = memory(server.pid)?;
    conductor.join_all(measured).await?;
    sleep(SETTLE).await;
    let after = memory(server.pid)?;
    measured.memory = before.zip(after).map(|(before, after)| after.pss.saturating_sub(before.pss));

    let result = conductor.measure(server, measured).await;
    conductor.end(measured).await.and(result)
}

impl Conductor<'_> {
    /// Lets those who send join, then the others, and waits until everybody receives.
    async fn join_all(&mut self, measured: &mut Measured) -> Result<()> {
        let cast = &self.venue.run.cast;
        let senders: Vec<_> = (0..cast.senders()).collect();
        let others: Vec<_> = (cast.senders()..cast.participants.len()).collect();
        let in_meeting = others.is_empty();
        let began = Instant::now();
        self.join_some(senders, in_meeting, measured).await?;
        self.join_some(others, true, measured).await?;
        measured.joined_in = began.elapsed();

        Ok(())
    }

    async fn join_some(
        &mut self,
        participants: Vec<usize>,
        receive: bool,
        measured: &mut Measured,
    ) -> Result<()> {
        let count = measured.joins.len() + participants.len();
        let receiving_wanted = if receive { self.venue.run.cast.receivers() } else { 0 };
        let pause = Duration::from_secs(1) / self.load.join_rate;
        let deadline = Instant::now() + JOIN_TIMEOUT + pause * participants.len() as u32;
        let mut starts = participants.into_iter();
        let mut next_start = Instant::now();
        while measured.joins.len() < count || measured.first_frames.len() < receiving_wanted {
            if starts.len() > 0 && next_start <= Instant::now() {
                next_start += pause;
                if let Some(participant) = starts.next() {
                    self.begin(participant);
                }
            }
            if measured.joins.len() >= self.venue.run.cast.senders() {
                self.venue.run.set_published();
            }
            let wait = if starts.len() > 0 { next_start } else { deadline };
            match timeout(wait.saturating_duration_since(Instant::now()), self.heard.recv()).await {
                Ok(Some(news)) => measured.hear(news)?,
                Ok(None) => bail!("all clients ended"),
                Err(_) if Instant::now() >= deadline => bail!(
                    "after {} s only {} of {count} joined and {} of {receiving_wanted} received \
                     every track",
                    JOIN_TIMEOUT.as_secs(),
                    measured.joins.len(),
                    measured.first_frames.len(),
                ),
                Err(_) => {}
            }
        }
        if count > 0 {
            eprintln!("{count} joined");
        }

        Ok(())
    }

    fn begin(&mut self, participant: usize) {
        let (venue, stopped) = (Arc::clone(&self.venue), self.stop.subscribe());
        let (clients, join) = (self.load.clients, self.join);
        self.tasks.spawn(async move {
            let run = Arc::clone(&venue.run);
            let result = match clients {
                Clients::Lean => {
                    let attended = join::attend(venue, join, participant, stopped).await;
                    attended.map(|()| Outcome::default())
                }
                Clients::Str0m => Participant::participate(venue, participant, stopped).await,
            };
            let identity = &run.cast.participants[participant].identity;

            result.map_err(|error| run.tell(News::Failed(error.context(identity.clone())))).ok()
        });
    }

    /// Counts for the measured time and says each second how it goes.
    async fn measure(&mut self, server: &Server, measured: &mut Measured) -> Result<()> {
        let meter = Meter::new(server.pid, server.cards.clone());
        let before = meter.read()?;
        let run = Arc::clone(&self.venue.run);
        run.begin(stamp::now());
        let result = self.watch_progress(&meter, before, measured).await;
        run.end(stamp::now());
        if let Ok(after) = meter.read() {
            measured.cost = Some(after.since(before));
        }
        let on_the_way = self.load.impair.map_or(Duration::ZERO, |spec| spec.longest());
        sleep(GRACE + on_the_way).await;

        result
    }

    async fn watch_progress(
        &mut self,
        meter: &Meter,
        before: Reading,
        measured: &mut Measured,
    ) -> Result<()> {
        let began = Instant::now();
        let run = Arc::clone(&self.venue.run);
        let mut received = run.received.load(Ordering::Relaxed);
        for second in 1..=self.load.seconds {
            let until = began + Duration::from_secs(second);
            while let Ok(Some(news)) =
                timeout(until.saturating_duration_since(Instant::now()), self.heard.recv()).await
            {
                measured.hear(news)?;
            }
            // The processor time of a server that dies can be read no more.
            measured.cost = Some(meter.read().context("the server ended")?.since(before));
            let now = run.received.load(Ordering::Relaxed);
            eprintln!("{second:>4}/{} s  {:>8} packets/s", self.load.seconds, now - received);
            received = now;
        }

        Ok(())
    }

    /// Everybody leaves; what they counted.
    async fn end(self, measured: &mut Measured) -> Result<()> {
        let Self { venue, stop, mut tasks, .. } = self;
        stop.send_replace(true);
        let mut outcome = Outcome::default();
        while let Some(task) = tasks.join_next().await {
            if let Some(part) = task.context("a client's task failed")? {
                outcome.add(&part);
            }
        }
        let run = Arc::clone(&venue.run);
        if let Some(mut venue) = Arc::into_inner(venue) {
            outcome.add(&venue.threads.stop()?);
            if let Some(impairments) = &venue.impairments {
                measured.told = Some(impairments.stop()?);
            }
        }
        measured.take(&run, outcome);

        Ok(())
    }
}
