//! Opus at 48 kHz by libopus: stereo in floating point, samples of both channels in turn.

use super::{CodecError, ffi};

/// Samples of a channel in a second.
pub const RATE_HZ: usize = 48_000;
/// Channels: left, right.
pub const CHANNELS: usize = 2;
/// Samples of a channel in a packet that is encoded: 20 ms.
pub const FRAME: usize = 960;
/// Samples of a channel in the longest packet: 120 ms.
pub const FRAME_MAX: usize = 5760;
/// Bytes of the longest packet that is encoded.
const PACKET_MAX: usize = 4000;
/// Packets tell durations in steps of 2.5 ms.
const STEP: usize = 120;

/// Decodes one stream.
pub struct Decoder {
    opus: ffi::OpusDecoder,
    pcm: Vec<f32>,
}

impl Decoder {
    /// A decoder that has heard nothing.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self { opus: ffi::OpusDecoder::new()?, pcm: vec![0.0; CHANNELS * FRAME_MAX] })
    }

    /// Decodes a packet.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[f32], CodecError> {
        self.run(Some(packet), FRAME_MAX, false)
    }

    /// Makes up for `samples` that are missing, at most `FRAME_MAX`, before a packet, whose forward
    /// error correction repeats the end of them, if there is any.
    pub fn conceal(&mut self, samples: usize, next: &[u8]) -> Result<Vec<f32>, CodecError> {
        let samples = samples.min(FRAME_MAX) / STEP * STEP;
        let repeated = ffi::opus_samples(next).unwrap_or(0).min(samples) / STEP * STEP;
        let mut pcm = Vec::with_capacity(CHANNELS * samples);
        if samples > repeated {
            pcm.extend_from_slice(self.run(None, samples - repeated, false)?);
        }
        if repeated > 0 {
            pcm.extend_from_slice(self.run(Some(next), repeated, true)?);
        }

        Ok(pcm)
    }

    fn run(&mut self, data: Option<&[u8]>, max: usize, fec: bool) -> Result<&[f32], CodecError> {
        let samples = self.opus.decode(data, &mut self.pcm[..CHANNELS * max], fec)?;

        Ok(&self.pcm[..CHANNELS * samples])
    }
}

/// Encodes one stream in packets of 20 ms.
pub struct Encoder {
    opus: ffi::OpusEncoder,
    packet: Vec<u8>,
}

impl Encoder {
    /// An encoder with this bit rate.
    pub fn new(bitrate_bps: u32) -> Result<Self, CodecError> {
        Ok(Self { opus: ffi::OpusEncoder::new(bitrate_bps)?, packet: vec![0; PACKET_MAX] })
    }

    /// Samples of a channel that a decoder throws away at the start.
    pub fn lookahead(&mut self) -> Result<u16, CodecError> {
        self.opus.lookahead()
    }

    /// Encodes `FRAME` samples of each channel.
    pub fn encode(&mut self, pcm: &[f32; CHANNELS * FRAME]) -> Result<&[u8], CodecError> {
        let len = self.opus.encode(pcm, &mut self.packet)?;

        Ok(&self.packet[..len])
    }
}
