//! What shards count of recordings.

use super::{Family, counter, gauge};

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "millrace_recording_active",
        "Rooms that are recorded now.",
        &[(None, |s| s.counters.recordings)],
    ),
    counter(
        "millrace_recording_records_total",
        "Records of media logs: packets, reports, facts.",
        &[(None, |s| s.counters.recorded_records)],
    ),
    counter(
        "millrace_recording_record_bytes_total",
        "Bytes of the records.",
        &[(None, |s| s.counters.recorded_bytes)],
    ),
    counter(
        "millrace_recording_lost_records_total",
        "Records that media logs miss, since the disk did not keep up, or refused.",
        &[(None, |s| s.counters.recording_lost)],
    ),
];
