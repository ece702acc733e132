//! NTP timestamps: seconds since 1900 as 32.32 bit fixed point (RFC 3550, section 4).

use std::time::Duration;

/// From NTP's epoch to Unix time's.
pub const UNIX_EPOCH: Duration = Duration::from_secs(2_208_988_800);

/// The timestamp of a moment, given as the time since NTP's epoch; it wraps in 2036.
pub fn from_duration(since_epoch: Duration) -> u64 {
    let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;

    since_epoch.as_secs() << 32 | fraction
}

/// The time since NTP's epoch, or the length of an interval, of a timestamp.
pub fn to_duration(timestamp: u64) -> Duration {
    let nanos = ((timestamp & 0xffff_ffff) * 1_000_000_000) >> 32;

    Duration::new(timestamp >> 32, nanos as u32)
}

/// The middle 32 bits: what LSR repeats of a sender report (RFC 3550, section 6.4.1).
pub fn middle(timestamp: u64) -> u32 {
    (timestamp >> 16) as u32
}

/// An interval in 1/65536 seconds, as in DLSR; 18 hours at most.
pub fn short(interval: Duration) -> u32 {
    u32::try_from((interval.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The interval that a number of 1/65536 seconds stands for.
pub fn short_to_duration(short: u32) -> Duration {
    Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16)
}

/// The round trip that a report block tells its sender's sender: `now` is the middle of the
/// present timestamp (RFC 3550, section 6.4.1). `None` without a sender report, or if negative.
pub fn round_trip(now: u32, last_sr: u32, delay: u32) -> Option<Duration> {
    let short = now.wrapping_sub(last_sr).wrapping_sub(delay);
    let valid = last_sr != 0 && short < 1 << 31;

    valid.then(|| short_to_duration(short))
}
