//! `millrace-bench room`: what it costs a server to forward video.

mod figures;
mod participant;
mod peer;
mod run;
mod signal;
mod source;
mod stamp;
mod tally;

use crate::cpu::CpuTime;
use crate::report;
use crate::server::Server;
use crate::token::ApiKey;
use anyhow::{Context, Result, bail};
use figures::{Figures, Results};
use participant::{Participant, Role};
use run::{News, Run};
use signal::Target;
use source::Shape;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tally::Tally;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Time for a participant to join, beyond the time until its turn.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the last packets to arrive after the measured time.
const GRACE: Duration = Duration::from_millis(500);
/// Time between the last join and the measured time: keyframes and feedback settle.
const SETTLE: Duration = Duration::from_secs(2);

/// What to put on the server, and where it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many receive every track
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
    /// How many send one video track each
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    publishers: u32,
    /// Seconds to measure
    #[arg(long, value_name = "S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Packets a second of each publisher
    #[arg(long, value_name = "N", default_value_t = 125)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Frames a second; a frame's packets leave together
    #[arg(long, value_name = "N", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000))]
    fps: u64,
    /// Bytes of each RTP payload
    #[arg(long, value_name = "BYTES", default_value_t = 1150, value_parser = parse_payload_bytes)]
    payload_bytes: usize,
    /// Participants that begin to join each second
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    join_rate: u32,
    /// Threads of the clients
    #[arg(long, value_name = "N", default_value_t = 1)]
    client_threads: usize,
    /// A server that runs already, as ws://HOST:PORT; without it one is started for the run
    #[arg(long, value_name = "WS_URL")]
    url: Option<String>,
    /// Process id of that server, to measure its processor time
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// The binary to start; default: the one beside this one, then the one in PATH
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    server_binary: Option<PathBuf>,
    /// A setting for the server to start, as section.key=value; may be given again
    #[arg(long = "set", value_name = "SETTING", conflicts_with = "url")]
    settings: Vec<String>,
    /// API key that signs the participants' tokens
    #[arg(long, value_name = "KEY", default_value = "devkey")]
    api_key: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", default_value = "secret-for-development-only-0123456789")]
    api_secret: String,
    /// Name of the room; default: a new one
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the table as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn parse_payload_bytes(text: &str) -> Result<usize, String> {
    let range = source::PAYLOAD_MIN..=1_200;
    let bytes = text.parse().ok().filter(|bytes| range.contains(bytes));

    bytes.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

/// Runs the whole measurement and shows what came of it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = args.url.as_deref().map(Target::parse).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.client_threads.max(1))
        .enable_all()
        .build()?;
    let (_server, target, pid) = match target {
        Some(target) => (None, target, args.pid),
        None => {
            eprintln!("starting a server ...");
            let server = Server::start(args.server_binary.as_deref(), &args.settings)?;
            let (target, pid) = (Target::parse(&server.url())?, server.pid());
            (Some(server), target, Some(pid))
        }
    };

    let results = runtime.block_on(measure(args, target, pid))?;
    let figures = Figures::new(args, &results);
    let table = figures.report();
    print!("{}", table.text());
    if let Some(path) = &args.json {
        report::write_json(path, &figures)?;
    }
    if let Some(path) = &args.html {
        report::write(path, &table.html())?;
    }

    Ok(())
}

async fn measure(args: &Args, target: Target, pid: Option<u32>) -> Result<Results> {
    let ip = target.local_ip().await?;
    let room = args.room.clone().unwrap_or_else(|| format!("bench-{:08x}", rand::random::<u32>()));
    let api_key = ApiKey { key: args.api_key.clone(), secret: args.api_secret.clone() };
    let shape = Shape {
        payload_bytes: args.payload_bytes,
        packets_per_second: args.rate,
        frames_per_second: args.fps,
    };
    let (news, mut heard) = mpsc::unbounded_channel();
    let publishers = (args.publishers as usize, shape);
    let run = Arc::new(Run::new((target, ip), (api_key, room), publishers, news));
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let mut joins = join_all(args, &run, &stopped, &mut tasks, &mut heard).await?;
    joins.sort_unstable();
    sleep(SETTLE).await;

    let drops = run.receive_drops();
    let read = || -> Result<_> {
        Ok((pid.map(CpuTime::of).transpose()?, CpuTime::of(std::process::id())?))
    };
    let (server, client) = read()?;
    run.begin();
    watch_progress(args, &run, &mut heard).await?;
    let elapsed = run.end();
    let (server_end, client_end) = read()?;
    sleep(GRACE).await;

    let receive_drops = run.receive_drops() - drops;
    stop.send_replace(true);
    let mut tally = Tally::new(args.publishers as usize);
    while let Some(task) = tasks.join_next().await {
        if let Some(part) = task.context("a client's task failed")? {
            tally.add(&part);
        }
    }

    Ok(Results {
        elapsed,
        sent: run.sent(),
        tally,
        joins,
        server: server.zip(server_end).map(|(before, after)| after.since(before)),
        client: client_end.since(client),
        receive_drops,
    })
}

/// Lets publishers, then subscribers join, and waits until everybody receives.
async fn join_all(
    args: &Args,
    run: &Arc<Run>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<Option<Tally>>,
    heard: &mut mpsc::UnboundedReceiver<News>,
) -> Result<Vec<Duration>> {
    let mut joins = Vec::new();
    let publishers: Vec<_> = (0..args.publishers).map(Role::Publisher).collect();
    let subscribers: Vec<_> = (0..args.subscribers).map(Role::Subscriber).collect();
    for (roles, receiving_wanted) in [(publishers, 0), (subscribers, args.subscribers)] {
        let (count, mut receiving) = (joins.len() + roles.len(), 0);
        let pause = Duration::from_secs(1) / args.join_rate;
        let deadline = Instant::now() + JOIN_TIMEOUT + pause * roles.len() as u32;
        let (starter, stopped) = (Arc::clone(run), stopped.clone());
        let mut starts = roles.into_iter();
        let mut next_start = Instant::now();
        while joins.len() < count || receiving < receiving_wanted {
            if starts.len() > 0 && next_start <= Instant::now() {
                next_start += pause;
                if let Some(role) = starts.next() {
                    tasks.spawn(participate(Arc::clone(&starter), role, stopped.clone()));
                }
            }
            let wait = if starts.len() > 0 { next_start } else { deadline };
            match timeout(wait.saturating_duration_since(Instant::now()), heard.recv()).await {
                Ok(Some(News::Joined(time))) => joins.push(time),
                Ok(Some(News::Receiving)) => receiving += 1,
                Ok(Some(News::Failed(error))) => return Err(error),
                Ok(None) => bail!("all clients ended"),
                Err(_) if Instant::now() >= deadline => bail!(
                    "after {} s only {} of {count} joined and {receiving} of {receiving_wanted} \
                     received every track",
                    JOIN_TIMEOUT.as_secs(),
                    joins.len(),
                ),
                Err(_) => {}
            }
        }
        eprintln!("{count} joined");
    }

    Ok(joins)
}

async fn participate(run: Arc<Run>, role: Role, stopped: watch::Receiver<bool>) -> Option<Tally> {
    match Participant::participate(Arc::clone(&run), role, stopped).await {
        Ok(tally) => Some(tally),
        Err(error) => {
            run.tell(News::Failed(error.context(role.identity())));
            None
        }
    }
}

/// Waits for the measured time and says each second how it goes.
async fn watch_progress(
    args: &Args,
    run: &Run,
    heard: &mut mpsc::UnboundedReceiver<News>,
) -> Result<()> {
    let began = Instant::now();
    let mut received = run.received.load(Ordering::Relaxed);
    for second in 1..=args.seconds {
        let until = began + Duration::from_secs(second);
        while let Ok(news) =
            timeout(until.saturating_duration_since(Instant::now()), heard.recv()).await
        {
            if let Some(News::Failed(error)) = news {
                return Err(error);
            }
        }
        let now = run.received.load(Ordering::Relaxed);
        eprintln!("{second:>4}/{} s  {:>8} packets/s", args.seconds, now - received);
        received = now;
    }

    Ok(())
}
