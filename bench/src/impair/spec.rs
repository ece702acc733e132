//! What a person asks of a network, in words: `up:loss=1%,burst=3,delay=20ms`.

use std::str::FromStr;
use std::time::Duration;

const KEYS: &str = "loss, burst, delay, jitter, reorder, duplicate, flip, rate, queue, only";
/// Longest a datagram may be asked to take.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// How long datagrams may wait for the rate, unless `queue` says otherwise.
const QUEUE: Duration = Duration::from_millis(100);
/// How long a datagram that is to be overtaken waits for one behind it.
pub(super) const HOLD: Duration = Duration::from_millis(50);

/// Impairments of one direction or of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spec {
    /// Client to server; `None` leaves it as it is.
    pub(super) up: Option<Impairment>,
    /// Server to client.
    pub(super) down: Option<Impairment>,
}

/// What happens to datagrams of one direction. Shares are 0.0..=1.0 of those that come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Impairment {
    /// Share lost.
    pub(super) loss: f64,
    /// Datagrams lost together, on average; `None`: each by itself.
    pub(super) burst: Option<f64>,
    /// One-way delay.
    pub(super) delay: Duration,
    /// How far the delay varies to either side, evenly.
    pub(super) jitter: Duration,
    /// Share overtaken by the next one.
    pub(super) reorder: f64,
    /// Share sent twice.
    pub(super) duplicate: f64,
    /// Share in which one bit is changed.
    pub(super) flip: f64,
    /// Bits a second, of UDP payload.
    pub(super) rate_bps: Option<f64>,
    /// Longest that a datagram waits for the rate.
    pub(super) queue: Duration,
    /// Leaves handshakes, STUN and RTCP alone.
    pub(super) only_media: bool,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: 0.0,
            duplicate: 0.0,
            flip: 0.0,
            rate_bps: None,
            queue: QUEUE,
            only_media: false,
        }
    }
}

impl Spec {
    /// The longest that a datagram is on its way.
    pub(crate) fn longest(&self) -> Duration {
        let longest = |one: &Impairment| {
            let queue = one.rate_bps.map_or(Duration::ZERO, |_| one.queue);
            one.delay + one.jitter + queue + HOLD
        };

        self.up.iter().chain(&self.down).map(longest).max().unwrap_or_default()
    }
}

impl FromStr for Spec {
    type Err = String;

    /// Reads `[up:|down:]key=value,...`; several, with blanks between, for directions that differ.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec = Self { up: None, down: None };
        for word in text.split_whitespace() {
            let (ways, list): (&[_], _) = match word.split_once(':') {
                Some(("up", list)) => (&[true], list),
                Some(("down", list)) => (&[false], list),
                Some((way, _)) => return Err(format!("`{way}:` is neither up: nor down:")),
                None => (&[true, false], word),
            };
            for up in ways {
                let way = if *up { &mut spec.up } else { &mut spec.down };
                if way.replace(Impairment::read(list)?).is_some() {
                    return Err(format!("`{word}`: this direction was given before"));
                }
            }
        }
        if spec.up.or(spec.down).is_none() {
            return Err(format!("nothing is asked for; there are {KEYS}"));
        }

        Ok(spec)
    }
}

impl Impairment {
    fn read(list: &str) -> Result<Self, String> {
        let mut one = Self::default();
        for part in list.split(',') {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not key=value; keys are {KEYS}"))?;
            one.set(key, value).map_err(|reason| format!("`{part}`: {reason}"))?;
        }
        one.check()?;

        Ok(one)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "loss" => self.loss = share(value)?,
            "burst" => self.burst = Some(number(value, "packets", 1.0, 10_000.0)?),
            "delay" => self.delay = duration(value)?,
            "jitter" => self.jitter = duration(value)?,
            "reorder" => self.reorder = share(value)?,
            "duplicate" => self.duplicate = share(value)?,
            "flip" => self.flip = share(value)?,
            "rate" => self.rate_bps = Some(rate(value)?),
            "queue" => self.queue = duration(value)?,
            "only" if value == "media" => self.only_media = true,
            "only" => return Err("only=media is all there is".to_owned()),
            _ => return Err(format!("keys are {KEYS}")),
        }

        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if let Some(burst) = self.burst {
            let most = burst / (burst + 1.0);
            if self.loss == 0.0 {
                return Err("`burst` without `loss`: say how much is lost".to_owned());
            }
            if self.loss > most {
                let percent = 100.0 * most;
                return Err(format!(
                    "`burst={burst}` loses {percent:.0} % at most: bursts must be longer for more"
                ));
            }
        }
        if self.jitter > self.delay {
            return Err("`jitter` is more than `delay`: nothing comes before it was sent".into());
        }
        if self.duplicate + self.flip + self.reorder > 1.0 {
            return Err("`duplicate`, `flip` and `reorder` are more than 100 % together".into());
        }

        Ok(())
    }
}

fn share(value: &str) -> Result<f64, String> {
    let percent = value.strip_suffix('%').ok_or("a share is written in percent, as 0.5%")?;

    Ok(number(percent, "percent", 0.0, 100.0)? / 100.0)
}

fn duration(value: &str) -> Result<Duration, String> {
    let (digits, unit) = split(value);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err("a time is written as 20ms, 500us or 1.5s".to_owned()),
    };
    let most = DELAY_MAX.as_secs_f64() / scale;

    Ok(Duration::from_secs_f64(number(digits, unit, 0.0, most)? * scale))
}

fn rate(value: &str) -> Result<f64, String> {
    let (digits, unit) = split(value);
    let scale = match unit {
        "kbit" => 1e3,
        "mbit" => 1e6,
        "gbit" => 1e9,
        _ => return Err("a rate is written as 500kbit, 2mbit or 1gbit, a second".to_owned()),
    };

    Ok(number(digits, unit, 1e3 / scale, 1e11 / scale)? * scale)
}

/// A number and what stands behind it.
fn split(value: &str) -> (&str, &str) {
    value.split_at(value.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(value.len()))
}

fn number(digits: &str, unit: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = digits.parse().ok().filter(|number| (least..=most).contains(number));

    number.ok_or_else(|| format!("a number from {least} to {most} ({unit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let spec: Spec = "loss=1%,burst=3,delay=20ms,jitter=5ms,rate=2mbit".parse().unwrap();
        let expected = Impairment {
            loss: 0.01,
            burst: Some(3.0),
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            rate_bps: Some(2e6),
            ..Impairment::default()
        };

        assert_eq!(spec, Spec { up: Some(expected), down: Some(expected) });
        assert_eq!(spec.longest(), Duration::from_millis(20 + 5 + 100 + 50));
    }

    #[test]
    fn directions_are_told_apart() {
        let spec: Spec = "up:flip=0.5% down:reorder=2%,only=media".parse().unwrap();

        assert_eq!(spec.up.unwrap().flip, 0.005);
        assert!(spec.down.unwrap().only_media);
        assert_eq!("down:loss=1%".parse::<Spec>().unwrap().up, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "nothing is asked for"),
            ("loss", "`loss` is not key=value"),
            ("loss=1", "`loss=1`: a share is written in percent"),
            ("loss=101%", "`loss=101%`: a number from 0 to 100"),
            ("loss=NaN%", "a number from 0 to 100"),
            ("loss=1%,colour=red", "`colour=red`: keys are loss,"),
            ("delay=20", "`delay=20`: a time is written as"),
            ("delay=11s", "`delay=11s`: a number from 0 to 10 (s)"),
            ("rate=2", "`rate=2`: a rate is written as"),
            ("rate=0mbit", "`rate=0mbit`: a number from 0.001"),
            ("burst=3", "`burst` without `loss`"),
            ("loss=80%,burst=1", "`burst=1` loses 50 % at most"),
            ("jitter=5ms", "`jitter` is more than `delay`"),
            ("flip=60%,duplicate=60%", "more than 100 % together"),
            ("sideways:loss=1%", "`sideways:` is neither up: nor down:"),
            ("loss=1% up:loss=2%", "`up:loss=2%`: this direction was given before"),
            ("only=audio", "`only=audio`: only=media"),
        ] {
            let error = text.parse::<Spec>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
