//! Sender reports to subscribers: they keep sound and pictures of one publisher in step.

use super::clock::{Clock, ticks};
use super::link::Link;
use super::subscription::Subscription;
use super::track::Track;
use super::{PHASES, Room};
use crate::{Egress, Outbox};
use relay_wire::rtcp::{SenderInfo, Writer};
use std::time::Instant;

impl Room {
    /// Sends the sender reports whose turn it is: of each subscription about one a second.
    pub(super) fn report_sending<E: Egress>(
        &mut self,
        now: Instant,
        phase: usize,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        for (_, track) in self.tracks.iter() {
            let Some(publisher) = self.links.get(track.link) else { continue };
            let Some(participant) = self.participants.get(&track.spec.participant) else {
                continue;
            };
            let turn = track.subscriptions.iter().skip(phase).step_by(PHASES);
            for subscription in turn.filter(|s| self.outlets[s.link].connected) {
                let Some(info) = sender_info(now, &self.clock, track, publisher, subscription)
                else {
                    continue;
                };
                let mut buffer = [0; 128];
                let mut writer = Writer::new(&mut buffer);
                writer.sender_report(&info, &[]);
                writer.cname(info.ssrc, &participant.cname);
                egress.rtcp(subscription.terms.transport, writer.written(), out);
            }
        }
    }
}

/// This moment in the media time that the subscriber sees, by the publisher's last report.
fn sender_info(
    now: Instant,
    clock: &Clock,
    track: &Track,
    publisher: &Link,
    subscription: &Subscription,
) -> Option<SenderInfo> {
    let layer = track.layers.get(usize::from(subscription.follower.current()?))?;
    let report = layer.sender_report?;
    let ntp = clock.ntp(now);
    let since = ntp.wrapping_sub(publisher.our_ntp(report.ntp)?) as i64;
    let rtp = report.rtp.wrapping_add(ticks(since, track.rate()) as u32);

    Some(SenderInfo {
        ssrc: subscription.terms.ssrc,
        ntp,
        rtp: rtp.wrapping_add(subscription.follower.timestamp_offset()),
        packets: subscription.sent.packets,
        octets: subscription.sent.octets,
    })
}
