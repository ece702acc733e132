//! Streams of independent encoders (ffmpeg's), taken apart into frames and cut into RTP payloads.

use relay_wire::control::Codec;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a payload.
const PAYLOAD_MAX: usize = 1100;

/// A stream on the disk, and its frames as payloads.
pub(crate) struct Source {
    pub(crate) codec: Codec,
    pub(crate) file: PathBuf,
    /// Payloads of each frame.
    pub(crate) frames: Vec<Vec<Vec<u8>>>,
    /// RTP ticks between frames.
    pub(crate) step: u32,
}

/// Two seconds of a test picture, or of a tone, with a keyframe each half second.
pub(crate) fn encode(directory: &Path, codec: Codec) -> Source {
    let input = match codec {
        Codec::Opus => "sine=frequency=440:duration=2",
        _ => "testsrc2=size=322x242:rate=25:duration=2",
    };

    encode_input(directory, codec, input)
}

/// What ffmpeg's filters make, 25 pictures or 50 packets a second.
pub(crate) fn encode_input(directory: &Path, codec: Codec, input: &str) -> Source {
    let (name, arguments) = match codec {
        Codec::Vp8 => ("a.ivf", "-c:v libvpx -deadline realtime -lag-in-frames 0 -auto-alt-ref 0"),
        Codec::Vp9 => ("b.ivf", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -lag-in-frames 0"),
        Codec::H264 => ("c.h264", "-c:v libx264 -profile:v baseline -tune zerolatency -bf 0"),
        Codec::Av1 => ("d.ivf", "-c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0"),
        Codec::Opus => ("e.ogg", "-c:a libopus -b:a 48k -frame_duration 20"),
    };
    let keyframes = if codec == Codec::Opus { "-ac 2" } else { "-g 12 -pix_fmt yuv420p -b:v 800k" };
    let file = directory.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", input]);
    command.args(arguments.split(' ')).args(keyframes.split(' ')).arg(&file);
    let status = command.status().expect("ffmpeg is needed: apt-get install ffmpeg");
    assert!(status.success(), "{command:?}");
    let bytes = std::fs::read(&file).expect("what ffmpeg wrote");
    let frames = match codec {
        Codec::Vp8 => ivf(&bytes).map(vp8).collect(),
        Codec::Vp9 => ivf(&bytes).map(vp9).collect(),
        Codec::Av1 => ivf(&bytes).map(av1).collect(),
        Codec::H264 => access_units(&bytes).iter().map(|units| h264(units)).collect(),
        Codec::Opus => ogg(&bytes).into_iter().skip(2).map(|packet| vec![packet]).collect(),
    };
    let step = if codec == Codec::Opus { 960 } else { 3600 };

    Source { codec, file, frames, step }
}

/// The checksum of each picture, or of each second of sound, as ffmpeg decodes it.
pub(crate) fn decoded(file: &Path) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-xerror", "-i"]).arg(file);
    command.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let output = command.output().expect("ffmpeg runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", file.display());
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));

    lines.filter_map(|line| line.rsplit(',').next()).map(|sum| sum.trim().to_owned()).collect()
}

fn u32_le(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("four bytes")) as usize
}

/// The frames of an IVF file.
fn ivf(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &bytes[32..];
    std::iter::from_fn(move || {
        let len = rest.get(..12).map(|header| u32_le(header, 0))?;
        let (frame, behind) = rest[12..].split_at(len);
        rest = behind;
        Some(frame)
    })
}

/// The packets of an Ogg file (RFC 3533), headers included.
fn ogg(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet, mut at) = (Vec::new(), Vec::new(), 0);
    while at < bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        let table = &bytes[at + 27..at + 27 + segments];
        at += 27 + segments;
        for len in table {
            packet.extend_from_slice(&bytes[at..at + usize::from(*len)]);
            at += usize::from(*len);
            if *len < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
    }

    packets
}

/// The units of each access unit: parameters and delimiters belong to the picture behind them.
fn access_units(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut starts: Vec<_> = (0..bytes.len() - 3)
        .filter(|at| bytes[*at..*at + 3] == [0, 0, 1])
        .map(|at| at + 3)
        .collect();
    starts.push(bytes.len() + 3);
    let (mut all, mut unit) = (Vec::<Vec<Vec<u8>>>::new(), Vec::new());
    for pair in starts.windows(2) {
        let end = if pair[1] > bytes.len() { bytes.len() } else { pair[1] - 3 };
        let mut bytes = bytes[pair[0]..end].to_vec();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        let slice = matches!(bytes[0] & 0x1f, 1 | 5);
        // A picture's first slice starts at macroblock 0, whose code is a single 1.
        let further = slice && bytes[1] & 0x80 == 0;
        unit.push(bytes);
        match all.last_mut() {
            Some(last) if further => last.append(&mut unit),
            _ if slice => all.push(std::mem::take(&mut unit)),
            _ => {}
        }
    }

    all
}

/// RFC 7741, section 4: a descriptor of one byte.
fn vp8(frame: &[u8]) -> Vec<Vec<u8>> {
    let chunks = frame.chunks(PAYLOAD_MAX).enumerate();

    chunks.map(|(at, chunk)| [&[if at == 0 { 0x10 } else { 0 }], chunk].concat()).collect()
}

/// RFC 9628, section 4: non-flexible, without layers.
fn vp9(frame: &[u8]) -> Vec<Vec<u8>> {
    let keyframe = frame[0] & 0x04 == 0;
    let count = frame.len().div_ceil(PAYLOAD_MAX);
    let payload = |(at, chunk): (usize, &[u8])| {
        let first = if at == 0 { 0x08 } else { 0 } | if at + 1 == count { 0x04 } else { 0 };
        [&[first | if keyframe { 0 } else { 0x40 }], chunk].concat()
    };

    frame.chunks(PAYLOAD_MAX).enumerate().map(payload).collect()
}

/// RFC 6184, packetization-mode 1: parameters aggregated, long units in fragments.
fn h264(units: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (slices, parameters): (Vec<_>, Vec<_>) =
        units.iter().partition(|unit| matches!(unit[0] & 0x1f, 1 | 5));
    let mut payloads = Vec::new();
    if !parameters.is_empty() {
        let mut aggregate = vec![24];
        for unit in parameters {
            aggregate.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            aggregate.extend_from_slice(unit);
        }
        payloads.push(aggregate);
    }
    for unit in slices {
        if unit.len() <= PAYLOAD_MAX {
            payloads.push(unit.clone());
            continue;
        }
        let count = (unit.len() - 1).div_ceil(PAYLOAD_MAX);
        for (at, chunk) in unit[1..].chunks(PAYLOAD_MAX).enumerate() {
            let edge = if at == 0 { 0x80 } else { 0 } | if at + 1 == count { 0x40 } else { 0 };
            payloads.push([&[unit[0] & 0xe0 | 28, edge | unit[0] & 0x1f], chunk].concat());
        }
    }

    payloads
}

/// AV1's payload format, section 4.4: OBUs without sizes, the last one without a length.
fn av1(unit: &[u8]) -> Vec<Vec<u8>> {
    let obus = obus(unit);
    let keyframe = obus.iter().any(|obu| obu[0] >> 3 & 0xf == 1);
    let mut elements: Vec<(Vec<u8>, bool, bool)> = Vec::new();
    for obu in obus {
        let count = obu.len().div_ceil(PAYLOAD_MAX);
        for (at, chunk) in obu.chunks(PAYLOAD_MAX).enumerate() {
            elements.push((chunk.to_vec(), at > 0, at + 1 < count));
        }
    }
    let payload = |(at, (element, continues, continued)): (usize, &(Vec<u8>, bool, bool))| {
        let header = if *continues { 0x80 } else { 0 }
            | if *continued { 0x40 } else { 0 }
            | 0x10
            | if at == 0 && keyframe { 0x08 } else { 0 };
        [&[header], element.as_slice()].concat()
    };

    elements.iter().enumerate().map(payload).collect()
}

/// The OBUs of a temporal unit, delimiters and sizes left out.
fn obus(mut unit: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(header) = unit.first() {
        assert_eq!(header & 0x06, 0x02, "a size, and no extension");
        let (mut len, mut at) = (0, 1);
        loop {
            len |= usize::from(unit[at] & 0x7f) << (7 * (at - 1));
            at += 1;
            if unit[at - 1] & 0x80 == 0 {
                break;
            }
        }
        if header >> 3 & 0xf != 2 {
            all.push([&[header & !0x02], &unit[at..at + len]].concat());
        }
        unit = &unit[at + len..];
    }

    all
}
