//! Fragmented MP4 (ISO/IEC 14496-12): a fragment from each keyframe to the next, and in front an
//! index of them, so that players can seek without reading all of it.

mod header;
mod index;

use header::Header;
use index::Index;
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};
use std::io::{self, Seek, SeekFrom, Write};

pub(super) use header::Streams;

/// Ticks of a second of video.
const VIDEO_TIMESCALE: u32 = 12_800;
/// Ticks of a picture.
const VIDEO_STEP: u32 = VIDEO_TIMESCALE / super::RATE_HZ;
/// Ticks of a second of sound: samples.
const AUDIO_TIMESCALE: u32 = 48_000;
/// Ticks of a packet of 20 ms.
const AUDIO_STEP: u32 = 960;
const VIDEO: u32 = 1;
const AUDIO: u32 = 2;
/// A picture that builds on others, and one, or a packet of sound, that does not.
const DEPENDS: u32 = 0x0101_0000;
const STANDS_ALONE: u32 = 0x0200_0000;
/// Bytes of a box's size and kind.
const BOX_HEADER: usize = 8;

/// Samples of one track that go into the next fragment.
#[derive(Default)]
struct Pending {
    entries: Vec<TrunEntry>,
    data: Vec<u8>,
    /// Ticks before the first of them.
    time: u64,
}

impl Pending {
    fn push(&mut self, data: &[u8], flags: Option<u32>) {
        let size = Some(data.len() as u32);
        self.entries.push(TrunEntry { size, flags, ..TrunEntry::default() });
        self.data.extend_from_slice(data);
    }

    fn ticks(&self, step: u32) -> u64 {
        self.entries.len() as u64 * u64::from(step)
    }

    /// Forgets what was written.
    fn next(&mut self, step: u32) {
        self.time += self.ticks(step);
        self.entries.clear();
        self.data.clear();
    }

    /// Its part of a fragment; its data is `offset` bytes behind the fragment's start.
    fn traf(&self, track: u32, step: u32, offset: usize) -> Traf {
        Traf {
            tfhd: Tfhd {
                track_id: track,
                default_sample_duration: Some(step),
                default_sample_flags: Some(if track == VIDEO { DEPENDS } else { STANDS_ALONE }),
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt { base_media_decode_time: self.time }),
            trun: vec![Trun {
                data_offset: Some(offset as i32),
                samples: TrunSamples::Explicit(self.entries.clone()),
            }],
            ..Traf::default()
        }
    }
}

/// Writes one file. Without `finish` it can be played, but neither length nor index are known.
pub(super) struct Writer<W> {
    out: W,
    header: Header,
    /// Where the header's `moov` stands, and where the index.
    moov_place: u64,
    index_place: u64,
    index: Index,
    video: Pending,
    audio: Pending,
    fragments: u32,
}

impl<W: Write + Seek> Writer<W> {
    /// Starts a file of these streams.
    pub(super) fn create(mut out: W, streams: Streams) -> io::Result<Self> {
        let header = Header::new(streams);
        let mut front = Vec::new();
        encode(&header::file_type(), &mut front)?;
        let moov_place = front.len() as u64;
        encode(&header.moov(0, 0), &mut front)?;
        let index_place = front.len() as u64;
        front.extend_from_slice(&index::room(index::LEN));
        out.write_all(&front)?;

        Ok(Self {
            out,
            header,
            moov_place,
            index_place,
            index: Index::default(),
            video: Pending::default(),
            audio: Pending::default(),
            fragments: 0,
        })
    }

    /// Appends the next picture.
    pub(super) fn video(&mut self, data: &[u8], keyframe: bool) -> io::Result<()> {
        if keyframe && !self.video.entries.is_empty() {
            self.end_fragment()?;
        }
        let flags = if keyframe { STANDS_ALONE } else { DEPENDS };
        self.video.push(data, Some(flags));

        Ok(())
    }

    /// Appends the next packet of sound.
    pub(super) fn audio(&mut self, packet: &[u8]) {
        self.audio.push(packet, None);
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end_fragment()?;
        let end = self.out.stream_position()?;
        let mut moov = Vec::new();
        encode(&self.header.moov(self.video.time, self.audio.time), &mut moov)?;
        assert_eq!(self.moov_place + moov.len() as u64, self.index_place, "numbers of one width");
        self.out.seek(SeekFrom::Start(self.moov_place))?;
        self.out.write_all(&moov)?;
        self.out.write_all(&self.index.bytes()?)?;
        self.out.seek(SeekFrom::Start(end))?;
        self.out.flush()?;

        Ok(self.out)
    }

    fn end_fragment(&mut self) -> io::Result<()> {
        self.fragments += 1;
        let mut moof = Vec::new();
        // Once to learn its length, which does not depend on the numbers in it.
        encode(&self.moof(0), &mut moof)?;
        let len = moof.len();
        moof.clear();
        encode(&self.moof(len), &mut moof)?;
        let data = self.video.data.len() + self.audio.data.len() + BOX_HEADER;
        let size = u32::try_from(data).map_err(io::Error::other)?;
        self.out.write_all(&moof)?;
        self.out.write_all(&size.to_be_bytes())?;
        self.out.write_all(b"mdat")?;
        self.out.write_all(&self.video.data)?;
        self.out.write_all(&self.audio.data)?;
        self.index.push((len + data) as u32, self.video.ticks(VIDEO_STEP) as u32);
        self.video.next(VIDEO_STEP);
        self.audio.next(AUDIO_STEP);

        Ok(())
    }

    fn moof(&self, len: usize) -> Moof {
        let video = len + BOX_HEADER;
        let audio = video + self.video.data.len();
        let parts =
            [(&self.video, VIDEO, VIDEO_STEP, video), (&self.audio, AUDIO, AUDIO_STEP, audio)];
        let parts = parts.into_iter().filter(|(pending, ..)| !pending.entries.is_empty());
        let traf = parts.map(|(pending, track, step, at)| pending.traf(track, step, at));

        Moof { mfhd: Mfhd { sequence_number: self.fragments }, traf: traf.collect() }
    }
}

fn encode(atom: &impl Encode, to: &mut Vec<u8>) -> io::Result<()> {
    atom.encode(to).map_err(io::Error::other)
}
