//! A full server: frames from within the kernel, as many on the way as it takes without loss. What
//! sending and receiving them costs is next to nothing, so the server is what sets the pace.

mod frame;

use super::args::Scenario;
use super::load::Load;
use super::subject::Running;
use crate::cost::Meter;
use crate::cpus::Cpus;
use crate::figures::{Metric, Sample, Unit};
use crate::network::Side;
use anyhow::{Context, Result, bail};
use ebpf_loader::Injector;
use std::thread;
use std::time::{Duration, Instant};

/// Packets on the way that are tried, the most first: a virtual card's ring holds 256, the socket
/// of a server that asks for no more about 50.
const WINDOWS: [u64; 5] = [192, 96, 48, 24, 12];
/// Time of one try, and share of the packets that may be lost in it.
const TRY: Duration = Duration::from_millis(300);
const LOSS_MAX: f64 = 0.001;
/// What has not come in this time after the last one will not.
const STALL: Duration = Duration::from_millis(20);
/// Data of every packet.
const FILLER: u8 = 0x5a;
/// Share of a processor that a full server has, its card's thread with it.
const FULL: f64 = 0.9;

static RELAYED: Metric = Metric::compared("relayed_per_second", "relayed", Unit::PerSecond);
static SENT: Metric = Metric::plain("sent", "sent", Unit::Count);
static LOSS: Metric = Metric::plain("loss", "loss", Unit::Share);
static WINDOW: Metric = Metric::plain("window", "packets on the way", Unit::Count);

/// Measures what a packet costs a server that has as many as it takes.
pub(super) fn measure(
    server: &mut Running,
    scenario: &Scenario,
    cpus: &Cpus,
    time: Duration,
) -> (Sample, Result<()>) {
    let mut sample = Sample::default();
    let result = Load::open(&server.target, scenario).and_then(|load| {
        let card = cpus.card(Side::Client)?;
        let mut stream = Stream::new(server, &load, scenario.size, card)?;
        stream.find_window(server)?;
        stream.measure(server, time, &mut sample)
    });

    (sample, result)
}

/// Frames to a server, and what comes of them.
struct Stream {
    injector: Injector,
    window: u64,
    /// Frames sent, those given up, and those that came, late ones among them.
    sent: u64,
    lost: u64,
    came: u64,
}

impl Stream {
    fn new(server: &mut Running, load: &Load, size: usize, card: &str) -> Result<Self> {
        let to = server.target.server;
        let frame = |(from, header): (_, &[u8])| {
            let data = [header, &vec![FILLER; size]].concat();
            frame::of(from, to, &data)
        };
        let frames = load.senders()?.into_iter().map(frame).collect::<Result<Vec<_>>>()?;
        let injector = Injector::new(card, &frames)?;
        server.sink()?.take(load.peer_address()?.port())?;

        Ok(Self { injector, window: WINDOWS[0], sent: 0, lost: 0, came: 0 })
    }

    /// The most packets on the way that a server takes; the fewest if it loses of all.
    fn find_window(&mut self, server: &mut Running) -> Result<()> {
        for window in WINDOWS {
            self.window = window;
            let (sent, came) = (self.sent, self.came);
            self.drive(server, TRY)?;
            if self.came == came {
                bail!("nothing came of {} injected packets", self.sent - sent);
            }
            if self.loss_since(sent, came) < LOSS_MAX {
                break;
            }
        }

        Ok(())
    }

    fn measure(&mut self, server: &mut Running, time: Duration, sample: &mut Sample) -> Result<()> {
        let meter = Meter::new(server.pid, server.cards.clone());
        let (before, sent, came) = (meter.read()?, self.sent, self.came);
        let driven = self.drive(server, time);
        let cost = meter.read()?.since(before);
        let packets = self.came - came;
        cost.push(sample, packets);
        sample.push(&RELAYED, packets as f64 / cost.elapsed.as_secs_f64());
        sample.push(&SENT, (self.sent - sent) as f64);
        sample.push(&LOSS, self.loss_since(sent, came));
        sample.push(&WINDOW, self.window as f64);
        if cost.whole_cores().is_some_and(|cores| cores < FULL) {
            let note = "it was not full: the machine has other work, or makes too few packets";
            sample.notes.push(note.to_owned());
        }

        driven
    }

    /// Keeps as many on the way as may be; those of the end are waited for.
    fn drive(&mut self, server: &mut Running, time: Duration) -> Result<()> {
        let began = Instant::now();
        let (mut heard, mut checked) = (began, began);
        while began.elapsed() < time {
            let news = self.look(server)?;
            let now = Instant::now();
            if news {
                heard = now;
            }
            let on_the_way = self.on_the_way();
            if on_the_way <= self.window / 2 {
                let count = self.window - on_the_way;
                self.injector.send(count as u32).context("cannot inject frames")?;
                self.sent += count;
            } else if now - heard > STALL {
                self.lost += on_the_way;
                heard = now;
            } else {
                thread::yield_now();
            }
            if now - checked > Duration::from_secs(1) {
                checked = now;
                server.check()?;
            }
        }
        self.drain(server)?;

        server.check()
    }

    /// Waits for what is on the way, and gives up the rest.
    fn drain(&mut self, server: &mut Running) -> Result<()> {
        let mut heard = Instant::now();
        while self.on_the_way() > 0 && heard.elapsed() < STALL {
            if self.look(server)? {
                heard = Instant::now();
            }
            thread::yield_now();
        }
        self.lost += self.on_the_way();

        Ok(())
    }

    /// Whether any has come since the last look.
    fn look(&mut self, server: &mut Running) -> Result<bool> {
        let came = server.sink()?.taken().context("cannot read how many packets came")?;
        let news = came > self.came;
        self.came = came;

        Ok(news)
    }

    fn on_the_way(&self) -> u64 {
        self.sent.saturating_sub(self.lost + self.came)
    }

    fn loss_since(&self, sent: u64, came: u64) -> f64 {
        1.0 - (self.came - came) as f64 / (self.sent - sent).max(1) as f64
    }
}
