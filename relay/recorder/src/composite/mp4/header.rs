//! What stands in front of all fragments.

use super::{AUDIO, AUDIO_TIMESCALE, STANDS_ALONE, VIDEO, VIDEO_STEP, VIDEO_TIMESCALE};
use crate::composite::layout::{HEIGHT, WIDTH};
use mp4_atom::{
    Avc1, Avcc, Codec, Dinf, Dops, Dref, DrefEntry, Edts, Elst, ElstEntry, FixedPoint, FourCC,
    Ftyp, Hdlr, Mdhd, Mdia, Mehd, Minf, Moov, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tkhd, Trak,
    Trex, Url, Visual, Vmhd,
};

/// Ticks of a second of the whole.
const TIMESCALE: u32 = 1000;
const LENGTH_SIZE: u8 = 4;

/// What decoders must know.
#[derive(Clone, Debug)]
pub(in crate::composite) struct Streams {
    /// H.264's parameter sets.
    pub(in crate::composite) sps: Vec<u8>,
    /// See `sps`.
    pub(in crate::composite) pps: Vec<u8>,
    /// Samples of sound that are thrown away at the start.
    pub(in crate::composite) pre_skip: u16,
}

pub(super) struct Header(Streams);

/// The first box of the file.
pub(super) fn file_type() -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"mp42", b"dash"].map(FourCC::new).to_vec(),
    }
}

impl Header {
    pub(super) fn new(streams: Streams) -> Self {
        Self(streams)
    }

    /// The movie's box, with the ticks that its tracks have in the end, 0 as long as that is not
    /// known. Its length does not depend on them.
    pub(super) fn moov(&self, video: u64, audio: u64) -> Moov {
        let audio = audio.saturating_sub(self.0.pre_skip.into());
        let video = video * u64::from(TIMESCALE) / u64::from(VIDEO_TIMESCALE);
        let audio = audio * u64::from(TIMESCALE) / u64::from(AUDIO_TIMESCALE);
        let extends = |track_id, step| Trex {
            track_id,
            default_sample_description_index: 1,
            default_sample_duration: step,
            default_sample_size: 0,
            default_sample_flags: STANDS_ALONE,
        };

        Moov {
            mvhd: Mvhd { timescale: TIMESCALE, next_track_id: AUDIO + 1, ..Mvhd::default() },
            mvex: Some(Mvex {
                mehd: Some(Mehd { fragment_duration: video.max(audio) }),
                trex: vec![extends(VIDEO, VIDEO_STEP), extends(AUDIO, super::AUDIO_STEP)],
            }),
            trak: vec![self.video(), self.audio(audio)],
            ..Moov::default()
        }
    }

    fn video(&self) -> Trak {
        let Streams { sps, pps, .. } = &self.0;
        let told = |at: usize| sps.get(at).copied().unwrap_or_default();
        let codec = Codec::Avc1(Avc1 {
            visual: Visual {
                data_reference_index: 1,
                width: WIDTH as u16,
                height: HEIGHT as u16,
                ..Visual::default()
            },
            avcc: Avcc {
                configuration_version: 1,
                avc_profile_indication: told(1),
                profile_compatibility: told(2),
                avc_level_indication: told(3),
                length_size: LENGTH_SIZE,
                sequence_parameter_sets: vec![sps.clone()],
                picture_parameter_sets: vec![pps.clone()],
                ext: None,
            },
            ..Avc1::default()
        });
        let minf = Minf { vmhd: Some(Vmhd::default()), ..minf(codec) };

        Trak {
            tkhd: Tkhd {
                width: FixedPoint::new(WIDTH as u16, 0),
                height: FixedPoint::new(HEIGHT as u16, 0),
                ..tkhd(VIDEO)
            },
            mdia: mdia(b"vide", VIDEO_TIMESCALE, minf),
            ..Trak::default()
        }
    }

    fn audio(&self, duration: u64) -> Trak {
        let codec = Codec::Opus(Opus {
            audio: mp4_atom::Audio {
                data_reference_index: 1,
                channel_count: 2,
                sample_size: 16,
                sample_rate: FixedPoint::new(AUDIO_TIMESCALE as u16, 0),
            },
            dops: Dops {
                output_channel_count: 2,
                pre_skip: self.0.pre_skip,
                input_sample_rate: AUDIO_TIMESCALE,
                output_gain: 0,
                channel_mapping: None,
            },
            btrt: None,
        });
        let minf = Minf { smhd: Some(Smhd::default()), ..minf(codec) };
        let entry = ElstEntry {
            segment_duration: duration,
            media_time: Some(self.0.pre_skip.into()),
            media_rate: FixedPoint::new(1, 0),
        };

        Trak {
            tkhd: Tkhd { volume: FixedPoint::new(1, 0), ..tkhd(AUDIO) },
            edts: Some(Edts { elst: Some(Elst { entries: vec![entry] }) }),
            mdia: mdia(b"soun", AUDIO_TIMESCALE, minf),
            ..Trak::default()
        }
    }
}

fn tkhd(track_id: u32) -> Tkhd {
    Tkhd { track_id, enabled: true, in_movie: true, ..Tkhd::default() }
}

fn mdia(handler: &[u8; 4], timescale: u32, minf: Minf) -> Mdia {
    Mdia {
        mdhd: Mdhd { timescale, language: "und".into(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(handler), name: "millrace".into() },
        minf,
    }
}

/// A track without samples: fragments have them.
fn minf(codec: Codec) -> Minf {
    Minf {
        dinf: Dinf {
            dref: Dref { entries: vec![DrefEntry::Url(Url { location: String::new() })] },
        },
        stbl: Stbl {
            stsd: Stsd { codecs: vec![codec] },
            stco: Some(Stco::default()),
            ..Stbl::default()
        },
        ..Minf::default()
    }
}
