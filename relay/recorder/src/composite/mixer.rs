//! Voices into one sound, sample by sample on the recording's clock.

use crate::codec::CodecError;
use crate::codec::opus::{CHANNELS, Decoder, FRAME, FRAME_MAX, RATE_HZ};
use std::collections::{BTreeMap, VecDeque};

/// Samples of both channels of 20 ms.
pub(super) const BLOCK: usize = CHANNELS * FRAME;
/// Sound is mixed this long after it was due: until then a loss can be told from silence.
pub(super) const LAG_US: u64 = 200_000;
/// Gaps up to this long, in samples, are filled by what the decoder makes up.
const CONCEALED_MAX: u64 = FRAME_MAX as u64;
/// Clocks of a track may be off by this many samples without a gap: 5 ms.
const SNAP: u64 = 240;
/// Samples that may wait to be mixed: 1 s.
const WAITING_MAX: u64 = RATE_HZ as u64;
/// Where the limiter starts to bend.
const KNEE: f32 = 0.8;

/// What all voices make together.
#[derive(Default)]
pub(super) struct Mixer {
    voices: BTreeMap<u64, Voice>,
    /// Samples of each channel that were mixed.
    mixed: u64,
    /// Packets that could not be decoded, or came for a time that had passed.
    pub(super) failed: u64,
}

struct Voice {
    decoder: Decoder,
    /// Samples of both channels in turn, from `start` on.
    pcm: VecDeque<f32>,
    start: u64,
    /// Where the last packet ended; `None` before the first one.
    end: Option<u64>,
}

impl Mixer {
    /// Takes a voice's packet that is due at this time. Packets of a voice come in order.
    pub(super) fn push(&mut self, voice: u64, time_us: u64, packet: &[u8]) {
        let at = time_us.saturating_mul(RATE_HZ as u64) / 1_000_000;
        let mixed = self.mixed;
        let taken = self.voice(voice).and_then(|voice| voice.push(at, packet, mixed));
        if !taken.unwrap_or(false) {
            self.failed += 1;
        }
    }

    /// Forgets a voice that will say no more.
    pub(super) fn remove(&mut self, voice: u64) {
        self.voices.remove(&voice);
    }

    /// Microseconds that were mixed.
    pub(super) fn time_us(&self) -> u64 {
        self.mixed * 1_000_000 / RATE_HZ as u64
    }

    /// Mixes the next 20 ms.
    pub(super) fn mix(&mut self) -> [f32; BLOCK] {
        let mut block = [0.0; BLOCK];
        for voice in self.voices.values_mut() {
            voice.mix(self.mixed, &mut block);
        }
        self.mixed += FRAME as u64;
        block.iter_mut().for_each(|sample| *sample = limited(*sample));

        block
    }

    fn voice(&mut self, voice: u64) -> Result<&mut Voice, CodecError> {
        use std::collections::btree_map::Entry;

        Ok(match self.voices.entry(voice) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Voice {
                decoder: Decoder::new()?,
                pcm: VecDeque::new(),
                start: 0,
                end: None,
            }),
        })
    }
}

impl Voice {
    /// Decodes a packet that starts at this sample; false when its time is not now.
    fn push(&mut self, at: u64, packet: &[u8], mixed: u64) -> Result<bool, CodecError> {
        if at > mixed + WAITING_MAX {
            return Ok(false);
        }
        let end = self.end.unwrap_or(at);
        let at = if at.abs_diff(end) <= SNAP { end } else { at };
        let gap = at.saturating_sub(end);
        if gap > 0 && gap <= CONCEALED_MAX {
            let made_up = self.decoder.conceal(gap as usize, packet)?;
            put(&mut self.pcm, &mut self.start, end, &made_up, mixed);
        }
        let heard = self.decoder.decode(packet)?;
        let samples = (heard.len() / CHANNELS) as u64;
        // What overlaps with the packet before was said already.
        let said = end.saturating_sub(at).min(samples);
        let new = &heard[said as usize * CHANNELS..];
        put(&mut self.pcm, &mut self.start, at + said, new, mixed);
        self.end = Some(end.max(at + samples));

        Ok(at + samples > mixed)
    }

    fn mix(&mut self, from: u64, block: &mut [f32; BLOCK]) {
        let skipped = from.saturating_sub(self.start).min(self.pcm.len() as u64 / CHANNELS as u64);
        self.pcm.drain(..skipped as usize * CHANNELS);
        self.start += skipped;
        let silent = self.start.saturating_sub(from) as usize * CHANNELS;
        if silent >= BLOCK {
            return;
        }
        let taken = (BLOCK - silent).min(self.pcm.len());
        for (sample, heard) in block[silent..].iter_mut().zip(self.pcm.drain(..taken)) {
            *sample += heard;
        }
        self.start += (taken / CHANNELS) as u64;
    }
}

/// Appends samples that are due at `at`, with silence in front where there is a hole. What was due
/// before `mixed` comes too late, and holes are no longer than what may wait.
fn put(pcm: &mut VecDeque<f32>, start: &mut u64, at: u64, samples: &[f32], mixed: u64) {
    if pcm.is_empty() {
        *start = at.max(mixed);
    }
    let end = *start + (pcm.len() / CHANNELS) as u64;
    let hole = at.saturating_sub(end).min(WAITING_MAX) as usize;
    let late = (end.saturating_sub(at) as usize * CHANNELS).min(samples.len());
    pcm.extend(std::iter::repeat_n(0.0, hole * CHANNELS));
    pcm.extend(&samples[late..]);
}

/// Bends what is too loud towards 1 rather than cutting it off.
fn limited(sample: f32) -> f32 {
    let loud = sample.abs();
    if loud <= KNEE {
        return sample;
    }
    let over = (loud - KNEE) / (1.0 - KNEE);

    (KNEE + (1.0 - KNEE) * over.tanh()).copysign(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::Encoder;

    /// Packets of a tone, 20 ms each.
    fn tone(hz: f32, loud: f32, count: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(64_000).unwrap();
        let packet = |at: usize| {
            let mut pcm = [0.0; BLOCK];
            for (index, pair) in pcm.chunks_exact_mut(2).enumerate() {
                let time = (at * FRAME + index) as f32 / RATE_HZ as f32;
                pair.fill(loud * (std::f32::consts::TAU * hz * time).sin());
            }
            encoder.encode(&pcm).unwrap().to_vec()
        };

        (0..count).map(packet).collect()
    }

    fn power(block: &[f32]) -> f32 {
        block.iter().map(|sample| sample * sample).sum::<f32>() / block.len() as f32
    }

    /// Mixes as time passes; `packets` are (time, packet) of one voice.
    fn mixed(packets: impl Iterator<Item = (u64, Vec<u8>)>, blocks: usize) -> (Vec<f32>, u64) {
        let mut mixer = Mixer::default();
        let mut powers = Vec::new();
        let mut mix = |mixer: &mut Mixer| powers.push(power(&mixer.mix()));
        for (time_us, packet) in packets {
            while mixer.time_us() + LAG_US <= time_us {
                mix(&mut mixer);
            }
            mixer.push(1, time_us, &packet);
        }
        while mixer.time_us() < blocks as u64 * 20_000 {
            mix(&mut mixer);
        }

        (powers, mixer.failed)
    }

    #[test]
    fn a_voice_is_heard_when_it_speaks_and_not_before_or_after() {
        let packets = tone(440.0, 0.5, 50).into_iter().enumerate();
        let packets = packets.map(|(at, packet)| (1_000_000 + at as u64 * 20_000, packet));
        let (powers, failed) = mixed(packets, 150);

        assert!(powers[..50].iter().all(|power| *power == 0.0));
        assert!(powers[52..99].iter().all(|power| (0.1..0.15).contains(power)), "{powers:?}");
        assert!(powers[101..].iter().all(|power| *power == 0.0));
        assert_eq!(failed, 0);
    }

    #[test]
    fn a_short_gap_is_filled_and_a_long_one_is_silence() {
        let packets = tone(440.0, 0.5, 100).into_iter().enumerate();
        let packets = packets.filter(|(at, _)| !(20..22).contains(at) && !(50..80).contains(at));
        let (powers, _) = mixed(packets.map(|(at, packet)| (at as u64 * 20_000, packet)), 100);

        assert!(powers[20] > 0.02, "made up: {}", powers[20]);
        assert!(powers[24..50].iter().all(|power| (0.1..0.15).contains(power)));
        assert!(powers[52..80].iter().all(|power| *power == 0.0));
        assert!(powers[85] > 0.1);
    }

    #[test]
    fn many_loud_voices_stay_below_full_scale() {
        let packets = tone(300.0, 0.9, 25);
        let mut mixer = Mixer::default();
        for (at, packet) in packets.iter().enumerate() {
            (0..8).for_each(|voice| mixer.push(voice, at as u64 * 20_000, packet));
        }
        let loudest =
            (0..25).flat_map(|_| mixer.mix()).fold(0.0, |all: f32, sample| all.max(sample.abs()));
        assert!((0.9..=1.0).contains(&loudest), "{loudest}");
    }

    #[test]
    fn wrong_packets_and_wrong_times_are_counted_and_cost_nothing_else() {
        let mut mixer = Mixer::default();
        mixer.push(1, 0, &[]);
        mixer.push(1, 0, &[0xff; 3]);
        mixer.push(1, u64::MAX, &tone(440.0, 0.5, 1)[0]);
        mixer.push(1, 3_600_000_000, &tone(440.0, 0.5, 1)[0]);
        assert_eq!(mixer.failed, 4);
        tone(440.0, 0.5, 5).iter().enumerate().for_each(|(at, packet)| {
            mixer.push(1, at as u64 * 20_000, packet);
        });
        let heard = (0..4).map(|_| power(&mixer.mix())).fold(0.0, f32::max);
        assert!(heard > 0.1);
        // The same again: nothing is said twice.
        mixer.push(1, 0, &tone(440.0, 0.5, 1)[0]);
        assert_eq!(mixer.failed, 5);
    }
}
