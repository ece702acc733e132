//! How fast composites are made: `cargo run --release -p relay-recorder --example composite_speed`,
//! with the number of tiles and of seconds behind `--`. One thread does everything.

use relay_recorder::Frame;
use relay_recorder::codec::{CodecError, Encoder, Picture, opus};
use relay_recorder::composite::{ComposeError, Composer, Event, Kind, Settings};
use relay_wire::control::{Codec, ParticipantId, TrackId};
use std::io::Cursor;
use std::time::Instant;

const RATE_HZ: u64 = 25;
const SIZE: (usize, usize) = (640, 360);

fn main() -> Result<(), ComposeError> {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let mut number = |default| arguments.next().and_then(Result::ok).unwrap_or(default);
    let (tiles, seconds) = (number(4), number(30));
    let (pictures, sound) = (pictures(2 * RATE_HZ)?, sound(100)?);

    let start = Instant::now();
    let out = Cursor::new(Vec::new());
    let mut composer = Composer::new(out, Settings::default())?;
    (0..tiles).try_for_each(|tile| join(&mut composer, tile))?;
    for at in 0..seconds * 50 {
        let time_us = at * 20_000;
        for tile in 0..tiles {
            let packet = sound[at as usize % sound.len()].clone();
            push(&mut composer, 2 * tile, time_us, Codec::Opus, packet)?;
            if at % 2 == 0 {
                let picture = pictures[at as usize / 2 % pictures.len()].clone();
                push(&mut composer, 2 * tile + 1, time_us, Codec::H264, picture)?;
            }
        }
    }
    composer.push(seconds * 1_000_000, Event::End)?;
    let (file, summary) = composer.finish()?;
    let took = start.elapsed().as_secs_f64();
    println!(
        "{tiles} tiles of {}x{}: {seconds} s in {took:.2} s, {:.1} x real time, {} kbit/s, {:?}",
        SIZE.0,
        SIZE.1,
        seconds as f64 / took,
        file.into_inner().len() as u64 * 8 / 1000 / seconds.max(1),
        summary.failed,
    );

    Ok(())
}

fn join(composer: &mut Composer<Cursor<Vec<u8>>>, tile: u64) -> Result<(), ComposeError> {
    let participant = ParticipantId(tile);
    composer.push(0, Event::Join { participant, name: format!("Person {tile}") })?;
    for (track, kind) in [(2 * tile, Kind::Sound), (2 * tile + 1, Kind::Camera)] {
        let track = TrackId(track);
        composer.push(0, Event::Publish { track, participant, kind, encrypted: false })?;
    }

    Ok(())
}

fn push(
    composer: &mut Composer<Cursor<Vec<u8>>>,
    track: u64,
    time_us: u64,
    codec: Codec,
    data: Vec<u8>,
) -> Result<(), ComposeError> {
    // A keyframe starts with its parameters.
    let keyframe = codec == Codec::Opus || data[4] & 0x1f == 7;
    let frame = Frame { time_us, codec, keyframe, size: None, orientation: None, data };

    composer.push(time_us, Event::Frame { track: TrackId(track), frame })
}

/// A pattern that moves, and noise on a part of it, as a camera has it.
fn pictures(count: u64) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut encoder = Encoder::new(700_000, RATE_HZ as f32, count as u32)?;
    let mut noise = 1_u32;
    let picture = |at: u64| {
        let mut picture = Picture::new(SIZE.0, SIZE.1);
        for y in 0..SIZE.1 {
            for (x, luma) in picture.planes[0].row_mut(y).iter_mut().enumerate() {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let moves = ((x + 3 * at as usize) / 2) ^ y;
                *luma = 40 + (moves % 160) as u8 + (noise >> 29) as u8;
            }
        }
        encoder.encode(&picture).map(|encoded| encoded.annex_b())
    };

    (0..count).map(picture).collect()
}

/// A tone that swells.
fn sound(count: usize) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut encoder = opus::Encoder::new(48_000)?;
    let packet = |at: usize| {
        let mut pcm = [0.0; opus::CHANNELS * opus::FRAME];
        for (index, pair) in pcm.chunks_exact_mut(opus::CHANNELS).enumerate() {
            let time = (at * opus::FRAME + index) as f32 / opus::RATE_HZ as f32;
            pair.fill(0.2 * (time * 300.0 * std::f32::consts::TAU).sin() * (3.0 * time).sin());
        }
        encoder.encode(&pcm).map(<[u8]>::to_vec)
    };

    (0..count).map(packet).collect()
}
