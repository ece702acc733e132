//! What allocations cost: processor time to make them, memory to keep them.

use super::client::{self, Client};
use super::exchange;
use super::stun::Request;
use super::subject::Running;
use crate::cpu::CpuTime;
use crate::figures::{Metric, Sample, Unit};
use crate::memory::Memory;
use anyhow::{Context, Result};
use std::thread;
use std::time::{Duration, Instant};

/// Allocations made before: the server's pools and tables are there.
pub(super) const FIRST: usize = 64;
/// Clients that ask at one time.
const WAVE: usize = 256;
/// Time for the server to come to rest.
const REST: Duration = Duration::from_millis(700);

static RATE: Metric = Metric::plain("allocations_per_second", "allocations", Unit::PerSecond);
static CPU: Metric =
    Metric::compared("cpu_us_per_allocation", "CPU per Allocate, both requests", Unit::Us);
static PSS: Metric = Metric::compared("pss_bytes_per_allocation", "memory each (Pss)", Unit::Bytes);
static RSS: Metric = Metric::plain("rss_bytes_per_allocation", "memory each (Rss)", Unit::Bytes);
static KEPT: Metric =
    Metric::plain("pss_bytes_kept_per_allocation", "still kept after their end", Unit::Bytes);

/// Makes `count` allocations, keeps them idle, and ends them.
pub(super) fn measure(server: &mut Running, count: usize) -> (Sample, Result<()>) {
    let mut sample = Sample::default();
    let result = make(server, count, &mut sample);

    (sample, result)
}

fn make(server: &mut Running, count: usize, sample: &mut Sample) -> Result<()> {
    let first = client::allocate(&server.target, FIRST, false)?;
    // Sockets are opened before the clock runs: they are the client's affair.
    let mut clients = client::open(&server.target, FIRST..FIRST + count, false)?;
    thread::sleep(REST);
    let pid = server.pid;
    let (cpu, memory) = (pid.map(CpuTime::of).transpose()?, pid.map(Memory::of).transpose()?);
    let began = Instant::now();
    for (done, wave) in clients.chunks_mut(WAVE).enumerate() {
        exchange::grant(&server.target, wave, |_| Request::Allocate(server.target.family()))
            .and_then(|()| server.check())
            .with_context(|| format!("after {} allocations", done * WAVE))?;
    }
    let elapsed = began.elapsed();
    let cpu_end = pid.map(CpuTime::of).transpose()?;
    thread::sleep(REST);
    let memory_end = pid.map(Memory::of).transpose()?;

    sample.push(&RATE, count as f64 / elapsed.as_secs_f64());
    if let Some((before, after)) = cpu.zip(cpu_end) {
        sample.push(&CPU, after.since(before).total.as_secs_f64() * 1e6 / count as f64);
    }
    let Some((before, after)) = memory.zip(memory_end) else {
        return Ok(());
    };
    let each = |before: u64, after: u64| (after as f64 - before as f64) / count as f64;
    sample.push(&PSS, each(before.pss, after.pss));
    sample.push(&RSS, each(before.rss, after.rss));
    end(clients);
    thread::sleep(REST);
    if let Some(pid) = pid {
        sample.push(&KEPT, each(before.pss, Memory::of(pid)?.pss));
    }
    end(first);

    server.check()
}

fn end(mut clients: Vec<Client>) {
    for wave in clients.chunks_mut(WAVE) {
        client::release(wave);
        // As fast as they were made, not as fast as a loop can send.
        thread::sleep(Duration::from_millis(10));
    }
}
