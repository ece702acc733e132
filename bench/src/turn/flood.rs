//! Strangers: requests without credentials from many sources, and what they leave behind.

use super::stun::{self, Probe};
use super::subject::Running;
use crate::cpu::CpuTime;
use crate::figures::{Metric, Sample, Unit};
use crate::memory::Memory;
use crate::net::address;
use crate::net::datagrams::Receiver;
use crate::net::sockets::{readable, wait};
use anyhow::{Context, Result};
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

/// Sources at one time: each has a socket while it waits for its answer.
const WAVE: usize = 500;
/// Sources before measuring: the server's tables and pools are there.
const FIRST: usize = 1_000;
/// Time without an answer after which a wave is over.
const SILENCE: Duration = Duration::from_millis(30);
/// Time for the server to come to rest.
const REST: Duration = Duration::from_millis(700);

static KEPT: Metric = Metric::plain("pss_bytes_per_source", "memory kept each (Pss)", Unit::Bytes);
static CPU: Metric = Metric::compared("cpu_us_per_probe", "CPU per request", Unit::Us);
static ANSWERED: Metric = Metric::plain("answered", "answered", Unit::Share);
static BINDING: Metric =
    Metric::plain("answer_by_binding", "answer by Binding of 20 B", Unit::Times);
static BARE: Metric =
    Metric::plain("answer_by_bare_allocate", "answer by Allocate of 20 B", Unit::Times);
static ALLOCATE: Metric =
    Metric::plain("answer_by_allocate", "answer by Allocate of 28 B", Unit::Times);

/// Bytes sent and received, requests and answers.
#[derive(Clone, Copy, Default)]
struct Traffic {
    requests: u64,
    answers: u64,
    bytes_out: u64,
    bytes_in: u64,
}

/// Sends requests of `sources` strangers, each of the three kinds from a third of them.
pub(super) fn measure(server: &mut Running, sources: usize) -> (Sample, Result<()>) {
    let mut sample = Sample::default();
    let result = flood(server, sources, &mut sample);

    (sample, result)
}

fn flood(server: &mut Running, sources: usize, sample: &mut Sample) -> Result<()> {
    let mut receiver = Receiver::new();
    let kinds = [(Probe::Binding, &BINDING), (Probe::Bare, &BARE), (Probe::Allocate, &ALLOCATE)];
    let mut next = 0;
    for (kind, _) in kinds {
        send_waves(server, kind, FIRST / kinds.len(), &mut next, &mut receiver)?;
    }
    thread::sleep(REST);
    let pid = server.pid;
    let (cpu, memory) = (pid.map(CpuTime::of).transpose()?, pid.map(Memory::of).transpose()?);
    let mut all = Traffic::default();
    let mut ratios = Vec::new();
    for (kind, metric) in kinds {
        let traffic =
            send_waves(server, kind, sources.div_ceil(kinds.len()), &mut next, &mut receiver)?;
        // By the requests that were answered: silence would hide a long answer.
        let request = traffic.bytes_out as f64 / traffic.requests.max(1) as f64;
        let answer = traffic.bytes_in as f64 / traffic.answers.max(1) as f64;
        ratios.push((metric, answer / request));
        all.requests += traffic.requests;
        all.answers += traffic.answers;
    }
    let cpu_end = pid.map(CpuTime::of).transpose()?;
    thread::sleep(REST);
    let memory_end = pid.map(Memory::of).transpose()?;

    if let Some((before, after)) = memory.zip(memory_end) {
        let kept = after.pss as f64 - before.pss as f64;
        sample.push(&KEPT, kept / all.requests as f64);
    }
    if let Some((before, after)) = cpu.zip(cpu_end) {
        sample.push(&CPU, after.since(before).total.as_secs_f64() * 1e6 / all.requests as f64);
    }
    sample.push(&ANSWERED, all.answers as f64 / all.requests as f64);
    ratios.into_iter().for_each(|(metric, ratio)| sample.push(metric, ratio));

    Ok(())
}

fn send_waves(
    server: &mut Running,
    kind: Probe,
    count: usize,
    next: &mut usize,
    receiver: &mut Receiver,
) -> Result<Traffic> {
    let mut traffic = Traffic::default();
    let mut left = count;
    while left > 0 {
        let size = left.min(WAVE);
        left -= size;
        send_wave(server, kind, *next..*next + size, receiver, &mut traffic)?;
        *next += size;
        server.check()?;
    }

    Ok(traffic)
}

/// Sends one request from each of some sources, and waits for the answers.
fn send_wave(
    server: &Running,
    kind: Probe,
    sources: std::ops::Range<usize>,
    receiver: &mut Receiver,
    traffic: &mut Traffic,
) -> Result<()> {
    let target = &server.target;
    let mut sockets = Vec::with_capacity(sources.len());
    for index in sources {
        let socket = UdpSocket::bind((address::source(target.own, index), 0))
            .context("cannot open a stranger's socket")?;
        socket.connect(target.server)?;
        socket.set_nonblocking(true)?;
        let request = stun::probe(kind, index as u64);
        if socket.send(&request).is_ok() {
            traffic.requests += 1;
            traffic.bytes_out += request.len() as u64;
        }
        sockets.push(socket);
    }
    let mut polls: Vec<_> = sockets.iter().map(readable).collect();
    let mut heard = Instant::now();
    let mut missing = sockets.len();
    while missing > 0 && heard.elapsed() < SILENCE {
        wait(&mut polls, SILENCE)?;
        for (socket, poll) in sockets.iter().zip(&mut polls).filter(|(_, p)| p.revents != 0) {
            // An error is the answer of a machine without a server.
            let _ = receiver.receive(socket);
            for datagram in receiver.trains().flat_map(|train| train.datagrams()) {
                heard = Instant::now();
                traffic.answers += 1;
                traffic.bytes_in += datagram.len() as u64;
                missing = missing.saturating_sub(1);
                // Negative descriptors are not polled: this one has its answer.
                poll.fd = -1;
            }
        }
    }

    Ok(())
}
