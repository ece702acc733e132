//! When a packet is due: RTP timestamps put onto the log's clock.
//!
//! What arrives late was not late when it was seen or said. So a track's clock is laid where its
//! fastest packets are; and tracks of one sender share what their sender reports tell, so that lips
//! and voice stay together (RFC 3550, section 6.4.1).

use relay_wire::control::Codec;

/// A timestamp that is this far from where its arrival says it is begins another clock.
const JUMP_US: i64 = 5_000_000;
/// Reports that would move a track by more than this are not believed.
const REPORTED_US: i64 = 1_000_000;
const MICROS: i64 = 1_000_000;

/// A codec's RTP clock in Hz.
pub fn rate(codec: Codec) -> i64 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => 90_000,
    }
}

/// Where a timestamp stands on its track's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The clock: a track whose timestamps jump has several.
    pub clock: usize,
    /// Microseconds since some moment that is the clock's own.
    pub us: i64,
}

/// Unfolds a track's 32-bit timestamps, in the order of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    clock: usize,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    ticks: i64,
    at_us: i64,
}

impl Ticks {
    /// Places a timestamp that came at this time of the log.
    pub fn place(&mut self, codec: Codec, timestamp: u32, at_us: u64) -> Tick {
        let rate = rate(codec);
        let at_us = i64::try_from(at_us).unwrap_or(i64::MAX / 2);
        let Some(last) = self.last else {
            self.last = Some(Last { timestamp, ticks: 0, at_us });
            return Tick { clock: self.clock, us: 0 };
        };
        let step = i64::from(timestamp.wrapping_sub(last.timestamp) as i32);
        let jump = (step * MICROS / rate) - (at_us - last.at_us);
        if jump.abs() > JUMP_US {
            self.clock += 1;
            self.last = Some(Last { timestamp, ticks: 0, at_us });
            return Tick { clock: self.clock, us: 0 };
        }
        let ticks = last.ticks + step;
        // The newest one leads: a repair that comes late must not pull the clock back.
        if step > 0 {
            self.last = Some(Last { timestamp, ticks, at_us });
        }

        Tick { clock: self.clock, us: ticks * MICROS / rate }
    }
}

/// One clock of a track, as the whole log shows it.
#[derive(Clone, Copy, Debug, Default)]
struct Face {
    /// From the clock to the log by the fastest packet.
    arrival: Option<i64>,
    /// From the clock to the sender's wall clock by its first report.
    reported: Option<i64>,
}

/// What the whole log tells of a track's clocks. First everything is noted, then read.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    ticks: Ticks,
    faces: Vec<Face>,
}

impl Survey {
    /// Notes a packet.
    pub fn packet(&mut self, codec: Codec, timestamp: u32, at_us: u64) {
        let tick = self.ticks.place(codec, timestamp, at_us);
        let offset = i64::try_from(at_us).unwrap_or(i64::MAX / 2) - tick.us;
        let face = self.face(tick.clock);
        face.arrival = Some(face.arrival.map_or(offset, |least| least.min(offset)));
    }

    /// Notes a sender report of this track.
    pub fn report(&mut self, codec: Codec, timestamp: u32, ntp: u64, at_us: u64) {
        // The first timestamp of a clock is a packet's; a report alone says nothing.
        if self.faces.is_empty() {
            return;
        }
        let mut ticks = self.ticks;
        let tick = ticks.place(codec, timestamp, at_us);
        if tick.clock != self.ticks.clock {
            return;
        }
        let wall = ntp_us(ntp);
        let face = self.face(tick.clock);
        face.reported.get_or_insert(wall - tick.us);
    }

    /// From the sender's wall clock to the log, as far as this track knows.
    fn wall(&self) -> Option<i64> {
        let known = self.faces.iter().filter_map(|face| Some(face.arrival? - face.reported?));

        known.min()
    }

    fn face(&mut self, clock: usize) -> &mut Face {
        if self.faces.len() <= clock {
            self.faces.resize(clock + 1, Face::default());
        }

        &mut self.faces[clock]
    }
}

/// From the wall clock of a sender to the log: what the fastest packet of all its tracks tells.
pub fn wall<'a>(tracks: impl Iterator<Item = &'a Survey>) -> Option<i64> {
    tracks.filter_map(Survey::wall).min()
}

/// A track's time in the recording.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ticks: Ticks,
    /// From each clock to the log.
    offsets: Vec<i64>,
}

impl Clock {
    /// The clock of a track, and of its sender (`wall`).
    pub fn new(survey: &Survey, wall: Option<i64>) -> Self {
        let offset = |face: &Face| {
            let arrival = face.arrival.unwrap_or_default();
            let reported = face.reported.zip(wall).map(|(reported, wall)| reported + wall);
            reported.filter(|at| (at - arrival).abs() <= REPORTED_US).unwrap_or(arrival)
        };

        Self { ticks: Ticks::default(), offsets: survey.faces.iter().map(offset).collect() }
    }

    /// When a packet is due: microseconds since the log's start. Packets come in the order in which
    /// they were surveyed.
    pub fn time_us(&mut self, codec: Codec, timestamp: u32, at_us: u64) -> u64 {
        let tick = self.ticks.place(codec, timestamp, at_us);
        let offset = self.offsets.get(tick.clock).copied().unwrap_or_default();

        (tick.us + offset).try_into().unwrap_or(0)
    }
}

/// NTP's 32.32 bits in microseconds.
fn ntp_us(ntp: u64) -> i64 {
    let seconds = (ntp >> 32) as i64;
    let fraction = (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64;

    seconds * MICROS + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Surveys a stream of 20 ms steps that arrives with these delays, and returns when each packet
    /// is due.
    fn due(delays: &[u64], first: u32, reports: &[(u32, u64)]) -> (Survey, Vec<(u32, u64)>) {
        let arrivals = delays.iter().enumerate().map(|(at, delay)| {
            let timestamp = first.wrapping_add(960 * at as u32);
            (timestamp, SECOND + 20_000 * at as u64 + delay)
        });
        let arrivals: Vec<_> = arrivals.collect();
        let mut survey = Survey::default();
        for (timestamp, at_us) in &arrivals {
            survey.packet(Codec::Opus, *timestamp, *at_us);
        }
        for (timestamp, ntp) in reports {
            survey.report(Codec::Opus, *timestamp, *ntp, 2 * SECOND);
        }

        (survey, arrivals)
    }

    fn times(survey: &Survey, arrivals: &[(u32, u64)], wall: Option<i64>) -> Vec<u64> {
        let mut clock = Clock::new(survey, wall);
        let time = |(timestamp, at_us): &(u32, u64)| clock.time_us(Codec::Opus, *timestamp, *at_us);

        arrivals.iter().map(time).collect()
    }

    #[test]
    fn jitter_is_taken_out_and_timestamps_wrap() {
        let (survey, arrivals) = due(&[30_000, 5_000, 90_000, 7_000], u32::MAX - 1000, &[]);
        let expected: Vec<_> = (0..4).map(|at| SECOND + 5_000 + 20_000 * at).collect();
        assert_eq!(times(&survey, &arrivals, None), expected);
    }

    #[test]
    fn tracks_of_one_sender_stay_together() {
        // The second track takes 80 ms longer on its way; the reports tell that it should not.
        let ntp = |us: u64| (us << 32) / SECOND;
        let (voice, voice_arrivals) = due(&[0; 10], 0, &[(0, ntp(50 * SECOND))]);
        let (lips, lips_arrivals) = due(&[80_000; 10], 777, &[(777, ntp(50 * SECOND))]);
        let wall = wall([&voice, &lips].into_iter());

        let voice = times(&voice, &voice_arrivals, wall);
        let lips = times(&lips, &lips_arrivals, wall);
        let apart = voice.iter().zip(&lips).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart.is_some_and(|apart| apart <= 2), "{voice:?} {lips:?}");
    }

    #[test]
    fn reports_that_lie_are_not_believed() {
        let (honest, _) = due(&[0; 10], 0, &[(0, 50 << 32)]);
        let (liar, arrivals) = due(&[0; 10], 0, &[(0, 90 << 32)]);
        let wall = wall([&honest, &liar].into_iter());
        assert_eq!(times(&liar, &arrivals, wall)[0], SECOND);
    }

    #[test]
    fn a_clock_that_jumps_is_another_clock() {
        let mut arrivals: Vec<_> =
            (0..10).map(|at| (960 * at, SECOND + 20_000 * u64::from(at))).collect();
        arrivals.extend(
            (0..10).map(|at| (3_000_000_000 + 960 * at, 3 * SECOND + 20_000 * u64::from(at))),
        );
        let mut survey = Survey::default();
        arrivals.iter().for_each(|(timestamp, at)| survey.packet(Codec::Opus, *timestamp, *at));

        let times = times(&survey, &arrivals, None);
        assert!(arrivals.iter().zip(times).all(|((_, at), time)| *at == time));
    }
}
