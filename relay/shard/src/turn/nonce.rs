//! Nonces that need no memory: a time and a keyed digest of it (RFC 8489, section 9.2).

use super::secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::hmac;
use std::net::{IpAddr, SocketAddr};

/// How long a nonce is valid, in seconds.
const VALID_SECONDS: u64 = 3_600;

/// How far the clock of the shard that made a nonce may be ahead, in seconds.
const AHEAD_SECONDS: u64 = 60;

/// What a nonce begins with that tells of security features (RFC 8489, section 9.2).
const COOKIE: &[u8; 9] = b"obMatJos2";

/// Bytes of the longest nonce.
pub(crate) const NONCE_MAX: usize = COOKIE.len() + 4 + 12;

/// Security features that a nonce tells of (RFC 8489, section 18.1, with erratum 6290: bit 0 is the
/// rightmost).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// The challenge listed password algorithms.
    pub(crate) password_algorithms: bool,
    /// User names may be hashed.
    pub(crate) anonymity: bool,
}

/// How a nonce is spelled. The less room there is, the shorter its digest: a nonce that is guessed
/// gains nothing but the replay of a request that was overheard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// With cookie and security features: 25 characters.
    Long(Features),
    /// 12 characters.
    Twelve,
    /// 8 characters.
    Eight,
    /// 4 characters.
    Four,
}

/// What is found of a received nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It is good; these features went with it.
    Valid(Features),
    /// It was good once.
    Stale,
    /// It was not given to this source.
    Foreign,
}

/// A nonce to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonce {
    text: [u8; NONCE_MAX],
    len: usize,
}

impl Nonce {
    /// Its characters.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// Makes nonces and knows them again; equal keys know each other's.
///
/// A nonce is bound to its source, so an overheard request is of no use from elsewhere, and two
/// sources never get the same one (RFC 8489, section 9.2.4).
pub(crate) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// Nonces under the key that all shards share.
    pub(crate) fn new(key: &[u8; secret::KEY_LEN]) -> Self {
        let key = secret::derive(key, "nonce");

        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// The nonce of a source in a form.
    pub(crate) fn issue(&self, form: Form, source: SocketAddr, unix_seconds: u64) -> Nonce {
        let layout = form.layout();
        let time = unix_seconds / layout.unit_seconds;
        let mut bytes = [0; 9];
        bytes[..layout.time].copy_from_slice(&time.to_be_bytes()[8 - layout.time..]);
        let digest = self.digest(form, source, time);
        bytes[layout.time..layout.len()].copy_from_slice(&digest.as_ref()[..layout.digest]);
        let mut nonce = Nonce { text: [0; NONCE_MAX], len: 0 };
        if let Form::Long(features) = form {
            nonce.push(COOKIE);
            nonce.push_base64(&[0, 0, features.bits()]);
        }
        nonce.push_base64(&bytes[..layout.len()]);

        nonce
    }

    /// Whether a nonce is of this source and of the last hour.
    pub(crate) fn check(&self, nonce: &[u8], source: SocketAddr, unix_seconds: u64) -> Check {
        let Some((form, text)) = Form::of(nonce) else { return Check::Foreign };
        let layout = form.layout();
        let mut bytes = [0; 9];
        if STANDARD_NO_PAD.decode_slice(text, &mut bytes) != Ok(layout.len()) {
            return Check::Foreign;
        }
        let (written, digest) = bytes[..layout.len()].split_at(layout.time);
        let written = written.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        // The time is cut to its low bits: the latest time that ends in them is meant.
        let latest = (unix_seconds + AHEAD_SECONDS) / layout.unit_seconds;
        let time = latest.wrapping_sub(latest.wrapping_sub(written) & layout.time_mask());
        if !equal(&self.digest(form, source, time).as_ref()[..layout.digest], digest) {
            return Check::Foreign;
        }
        let ends = time
            .saturating_add(1)
            .saturating_mul(layout.unit_seconds)
            .saturating_add(VALID_SECONDS);

        if unix_seconds < ends { Check::Valid(form.features()) } else { Check::Stale }
    }

    fn digest(&self, form: Form, source: SocketAddr, time: u64) -> hmac::Tag {
        let ip = match source.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut input = [0; 28];
        input[..8].copy_from_slice(&time.to_be_bytes());
        input[8..24].copy_from_slice(&ip.octets());
        input[24..26].copy_from_slice(&source.port().to_be_bytes());
        input[26] = form.layout().len() as u8;
        // Bit 7 sets a long form without features apart from a short form.
        input[27] = if let Form::Long(features) = form { 0x80 | features.bits() } else { 0 };

        hmac::sign(&self.key, &input)
    }
}

impl Nonce {
    fn push(&mut self, bytes: &[u8]) {
        self.text[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_base64(&mut self, bytes: &[u8]) {
        // The layouts below fit NONCE_MAX.
        self.len += STANDARD_NO_PAD.encode_slice(bytes, &mut self.text[self.len..]).unwrap_or(0);
    }
}

/// Where the bytes of a form go.
struct Layout {
    /// Bytes of time.
    time: usize,
    /// Seconds of one unit of time.
    unit_seconds: u64,
    /// Bytes of digest.
    digest: usize,
}

impl Layout {
    const fn len(&self) -> usize {
        self.time + self.digest
    }

    const fn time_mask(&self) -> u64 {
        (1 << (8 * self.time)) - 1
    }
}

impl Form {
    /// The form of a nonce, and what of it is time and digest.
    fn of(nonce: &[u8]) -> Option<(Self, &[u8])> {
        if let Some(rest) = nonce.strip_prefix(COOKIE) {
            let (features, text) = rest.split_at_checked(4)?;
            let mut bits = [0; 3];
            STANDARD_NO_PAD.decode_slice(features, &mut bits).ok()?;
            let features = Features::from_bits(bits)?;
            return (text.len() == 12).then_some((Self::Long(features), text));
        }
        let form = match nonce.len() {
            12 => Self::Twelve,
            8 => Self::Eight,
            4 => Self::Four,
            _ => return None,
        };

        Some((form, nonce))
    }

    fn layout(self) -> Layout {
        match self {
            Self::Long(_) | Self::Twelve => Layout { time: 3, unit_seconds: 1, digest: 6 },
            Self::Eight => Layout { time: 2, unit_seconds: 1, digest: 4 },
            Self::Four => Layout { time: 1, unit_seconds: 64, digest: 2 },
        }
    }

    fn features(self) -> Features {
        match self {
            Self::Long(features) => features,
            Self::Twelve | Self::Eight | Self::Four => Features::default(),
        }
    }

    /// Characters of a nonce of this form.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Long(_) => NONCE_MAX,
            Self::Twelve => 12,
            Self::Eight => 8,
            Self::Four => 4,
        }
    }
}

impl Features {
    fn bits(self) -> u8 {
        u8::from(self.password_algorithms) | u8::from(self.anonymity) << 1
    }

    fn from_bits(bits: [u8; 3]) -> Option<Self> {
        let [0, 0, bits @ 0..=3] = bits else { return None };

        Some(Self { password_algorithms: bits & 1 != 0, anonymity: bits & 2 != 0 })
    }
}

fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    let difference = ours.iter().zip(theirs).fold(0, |sum, (ours, theirs)| sum | ours ^ theirs);

    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNIX: u64 = 1_700_000_000;
    const FEATURES: Features = Features { password_algorithms: true, anonymity: false };
    const FORMS: [Form; 4] = [Form::Long(FEATURES), Form::Twelve, Form::Eight, Form::Four];

    fn source() -> SocketAddr {
        "192.0.2.1:5000".parse().unwrap()
    }

    fn check(nonce: &Nonce, unix_seconds: u64) -> Check {
        Nonces::new(&[1; 32]).check(nonce.as_bytes(), source(), unix_seconds)
    }

    #[test]
    fn every_form_is_valid_for_an_hour_on_every_shard() {
        for form in FORMS {
            let nonce = Nonces::new(&[1; 32]).issue(form, source(), UNIX);
            assert_eq!(nonce.as_bytes().len(), form.len());
            for seconds in [0, 1, 1_800, 3_600] {
                assert_eq!(check(&nonce, UNIX + seconds), Check::Valid(form.features()));
            }
            assert_eq!(check(&nonce, UNIX + 3_700), Check::Stale);
            assert_eq!(check(&nonce, UNIX - 30), Check::Valid(form.features()), "clocks differ");
        }
    }

    #[test]
    fn a_nonce_is_not_valid_again_when_its_time_comes_round() {
        for form in FORMS {
            let nonce = Nonces::new(&[1; 32]).issue(form, source(), UNIX);
            let layout = form.layout();
            let round = (layout.time_mask() + 1) * layout.unit_seconds;

            assert_eq!(check(&nonce, UNIX + round), Check::Foreign);
        }
    }

    #[test]
    fn sources_and_keys_have_nonces_of_their_own() {
        let nonces = Nonces::new(&[1; 32]);
        for form in FORMS {
            let nonce = nonces.issue(form, source(), UNIX);
            for other in ["192.0.2.1:5001", "192.0.2.2:5000", "[2001:db8::1]:5000"] {
                let other = other.parse().unwrap();
                assert_eq!(nonces.check(nonce.as_bytes(), other, UNIX), Check::Foreign);
                assert_ne!(nonces.issue(form, other, UNIX).as_bytes(), nonce.as_bytes());
            }
            let others = Nonces::new(&[2; 32]);
            assert_eq!(others.check(nonce.as_bytes(), source(), UNIX), Check::Foreign);
        }
    }

    #[test]
    fn features_are_spelled_as_the_registry_says_and_cannot_be_changed() {
        let spelled = [(false, false, b'A'), (true, false, b'B'), (false, true, b'C')];
        for (password_algorithms, anonymity, last) in spelled {
            let features = Features { password_algorithms, anonymity };
            let nonce = Nonces::new(&[1; 32]).issue(Form::Long(features), source(), UNIX);
            assert_eq!(&nonce.as_bytes()[..13], [&b"obMatJos2AAA"[..], &[last]].concat());
            let mut changed = nonce;
            changed.text[12] = b'D';
            assert_eq!(check(&changed, UNIX), Check::Foreign);
        }
    }

    proptest! {
        #[test]
        fn a_changed_nonce_is_foreign(at in 0..NONCE_MAX, change in 1u8..) {
            let mut nonce = Nonces::new(&[1; 32]).issue(FORMS[0], source(), UNIX);
            nonce.text[at] ^= change;
            prop_assert_ne!(check(&nonce, UNIX), Check::Valid(FEATURES));
        }

        #[test]
        fn no_bytes_crash(bytes in prop::collection::vec(any::<u8>(), 0..64), unix: u64) {
            let unix = unix >> 8;
            let nonces = Nonces::new(&[1; 32]);
            if bytes.len() != 4 && bytes.len() != 8 {
                prop_assert_eq!(nonces.check(&bytes, source(), unix), Check::Foreign);
            }
            nonces.check(&bytes, source(), 0);
        }
    }
}
