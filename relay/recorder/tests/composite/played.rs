//! A composite as a player sees and hears it: ffmpeg decodes, ffprobe tells.

use std::path::Path;
use std::process::Command;

/// Size to which pictures are brought; places are told in pixels of the whole.
const WIDTH: usize = 160;
const HEIGHT: usize = 90;
const SCALE: usize = 8;
const PICTURE: usize = 3 * WIDTH * HEIGHT;
const RATE_HZ: f64 = 25.0;
const SAMPLES_HZ: usize = 48_000;

/// A file, decoded.
pub(crate) struct Played {
    pictures: Vec<u8>,
    sound: Vec<f32>,
    /// What ffprobe tells of its length in seconds.
    pub(crate) duration: f64,
    /// `h264`, `opus`.
    pub(crate) codecs: Vec<String>,
}

impl Played {
    /// Decodes a file; any error is one too many.
    pub(crate) fn new(file: &Path) -> Self {
        let scale = format!("scale={WIDTH}:{HEIGHT}:flags=area");
        let pictures = ["-map", "0:v", "-vf", &scale, "-pix_fmt", "yuv444p", "-f", "rawvideo"];
        let pictures = run("ffmpeg", file, &pictures);
        let rate = SAMPLES_HZ.to_string();
        let sound = ["-map", "0:a", "-ac", "1", "-ar", &rate, "-f", "f32le"];
        let sound = run("ffmpeg", file, &sound);
        let sound = sound
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let probe = |what: &str| {
            let asked = ["-show_entries", what, "-of", "csv=p=0"];
            String::from_utf8(run("ffprobe", file, &asked)).expect("text")
        };
        let duration = probe("format=duration").trim().parse().expect("a duration");
        let codecs = probe("stream=codec_name").split_whitespace().map(str::to_owned).collect();

        Self { pictures, sound: sound.collect(), duration, codecs }
    }

    /// How many pictures it has.
    pub(crate) fn pictures(&self) -> usize {
        self.pictures.len() / PICTURE
    }

    /// Y, U, V at this second and place (x, y).
    pub(crate) fn colour(&self, second: f64, place: (usize, usize)) -> [u8; 3] {
        let picture = &self.pictures[(second * RATE_HZ) as usize * PICTURE..][..PICTURE];
        let at = place.1 / SCALE * WIDTH + place.0 / SCALE;

        [0, 1, 2].map(|plane| picture[plane * WIDTH * HEIGHT + at])
    }

    /// How loud it is in the 20 ms from this second on: root of mean of squares.
    pub(crate) fn loudness(&self, second: f64) -> f32 {
        let start = (second * SAMPLES_HZ as f64) as usize;
        let samples = &self.sound[start..(start + SAMPLES_HZ / 50).min(self.sound.len())];
        let squares: f32 = samples.iter().map(|sample| sample * sample).sum();

        (squares / samples.len().max(1) as f32).sqrt()
    }

    /// Seconds at which it gets bright at this place.
    pub(crate) fn flashes(&self, place: (usize, usize)) -> Vec<f64> {
        let bright: Vec<bool> = (0..self.pictures())
            .map(|at| self.colour((at as f64 + 0.5) / RATE_HZ, place)[0] > 128)
            .collect();

        rises(&bright, RATE_HZ)
    }

    /// Seconds at which it gets loud.
    pub(crate) fn beeps(&self) -> Vec<f64> {
        let step = SAMPLES_HZ / 200;
        let loud: Vec<bool> = self
            .sound
            .chunks_exact(step)
            .map(|samples| samples.iter().any(|sample| sample.abs() > 0.05))
            .collect();
        // A wave passes zero now and then.
        let held: Vec<bool> =
            (0..loud.len()).map(|at| loud[at.saturating_sub(8)..=at].contains(&true)).collect();

        rises(&held, 200.0)
    }
}

fn rises(states: &[bool], rate_hz: f64) -> Vec<f64> {
    let rising = states.windows(2).enumerate().filter(|(_, pair)| !pair[0] && pair[1]);

    rising.map(|(at, _)| (at + 1) as f64 / rate_hz).collect()
}

fn run(program: &str, file: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(["-v", "error"]);
    if program == "ffmpeg" {
        command.arg("-xerror").arg("-i").arg(file).args(arguments).arg("-");
    } else {
        command.args(arguments).arg(file);
    }
    let output = command.output().expect("ffmpeg is needed: apt-get install ffmpeg");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", file.display());

    output.stdout
}
