//! A layer of a stream as it is sent: frames when they are due, each in as few sends as can be.

use crate::net::datagrams::Sends;
use crate::room::run::Run;
use crate::room::source::Source;
use crate::rtc::rtp::Stream;
use crate::rtc::{Connection, rtcp};
use crate::stamp::{self, Stamp};
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Packets of one send: the kernel takes 64 KiB.
const TRAIN_MAX: u64 = 48;
/// How loud somebody is who speaks, in -dBov with the mark of speech (RFC 6464).
const LOUD: u8 = 0x80 | 20;
/// And somebody who is silent.
const SILENT: u8 = 127;

/// A layer of a stream.
pub(in crate::room) struct Sender {
    source: Source,
    stream: Stream,
    flow: u32,
    /// When its first frame left.
    began: Option<Instant>,
    sent: (u32, u32),
    timestamp: u32,
}

impl Sender {
    /// A sender of what the source yields.
    pub(in crate::room) fn new(source: Source, stream: Stream, flow: u32) -> Self {
        Self { source, stream, flow, began: None, sent: (0, 0), timestamp: 0 }
    }

    /// Its frames are due from now on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// When the next frame is due; `None` before it has begun.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.began? + self.source.due())
    }

    /// Whose packets they are.
    pub(super) fn ssrc(&self) -> u32 {
        self.stream.ssrc
    }

    /// The next frame will be a keyframe.
    pub(super) fn request_keyframe(&mut self) {
        self.source.request_keyframe();
    }

    /// Sends the frame that is due.
    pub(super) fn send(
        &mut self,
        run: &Run,
        connection: &mut Connection,
        sends: &mut Sends,
        buffer: &mut Vec<u8>,
    ) {
        let Some(began) = self.began else { return };
        let Some((keys, socket)) = connection.keys() else { return };
        let frame = self.source.begin_frame();
        let level = if run.speaks(self.flow, began.elapsed()) { LOUD } else { SILENT };
        self.timestamp = frame.timestamp;
        let (mut first, end) = (frame.packets.start, frame.packets.end);
        while first < end {
            let train = first..end.min(first + TRAIN_MAX);
            let mut segment = None;
            let sent = stamp::now();
            sends.push(None, Some(self.packet_bytes(keys.overhead())), |out| {
                for number in train.clone() {
                    buffer.clear();
                    let marker = number + 1 == end;
                    self.stream.write(buffer, marker, frame.timestamp, level);
                    self.source.append(&frame, number, sent, buffer);
                    self.sent.0 = self.sent.0.wrapping_add(1);
                    self.sent.1 = self.sent.1.wrapping_add(buffer.len() as u32);
                    // Packets that libsrtp refuses are never sent, and show up as lost.
                    let protected = keys.protect(buffer);
                    debug_assert!(protected, "libsrtp takes what is a packet");
                    segment.get_or_insert(buffer.len());
                    out.extend_from_slice(buffer);
                }
            });
            debug_assert!(segment <= Some(self.packet_bytes(keys.overhead())));
            let (_, failure) = sends.flush(socket);
            let taken = failure.is_none_or(|error| error.kind() == ErrorKind::ConnectionRefused);
            for number in train.clone() {
                if taken {
                    run.count_sent(Stamp { flow: self.flow, number, sent });
                } else {
                    run.held_back.fetch_add(1, Ordering::Relaxed);
                }
            }
            first = train.end;
        }
    }

    /// Bytes of a packet of full size on the wire.
    fn packet_bytes(&self, overhead: usize) -> usize {
        self.stream.header_len() + self.source.payload_bytes() + overhead
    }

    /// Appends its report.
    pub(super) fn report(&self, out: &mut Vec<u8>) {
        rtcp::sender_report(out, self.stream.ssrc, self.timestamp, self.sent);
        rtcp::name(out, self.stream.ssrc);
    }

    /// A sender that is later than this gives up what was due.
    pub(super) fn skip_late(&mut self, now: Instant, run: &Run) {
        const LATE_MAX: Duration = Duration::from_millis(200);
        while let Some(due) = self.due().filter(|due| *due + LATE_MAX < now) {
            let frame = self.source.begin_frame();
            run.held_back.fetch_add(frame.packets.count() as u64, Ordering::Relaxed);
            debug_assert!(self.due() > Some(due));
        }
    }
}
