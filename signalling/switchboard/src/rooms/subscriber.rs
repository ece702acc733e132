//! The peer connection on which a client receives; we always offer.

use super::track::kind_of;
use crate::sdp::{Content, Offered};
use relay_wire::control::{
    Choice, Codec, Kind, Opened, ParticipantId, Remote, SubscriptionId, TrackId, TransportId,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// The subscriber's peer connection.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) transport: TransportId,
    /// Our side; `None` while the relay opens it, or gives it new credentials.
    pub(super) local: Option<Opened>,
    /// The client's side as the relay knows it.
    pub(super) remote: Option<Remote>,
    pub(super) session: u64,
    pub(super) version: u64,
    /// Number of the last offer.
    pub(super) offer: u32,
    /// When the offer was sent that waits for its answer.
    pub(super) in_flight: Option<Instant>,
    /// Whether something has changed since the last offer.
    pub(super) dirty: bool,
    sections: Vec<Section>,
    next_mid: u32,
}

/// An m-line of media; the data channels' one is the first and always there.
#[derive(Debug)]
struct Section {
    mid: String,
    codec: Codec,
    occupant: Occupant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occupant {
    Track(TrackId),
    /// Its track is gone; the client must first see it inactive before it is used again.
    Leaving {
        offered: bool,
    },
    Free,
    /// The client has given it up; it may come back under another mid (RFC 8829, section 5.2.2).
    Rejected,
}

/// A track on its way to this subscriber.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) publisher: ParticipantId,
    pub(super) mid: String,
    pub(super) codec: Codec,
    pub(super) stage: Stage,
    pub(super) choice: Choice,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: u32,
    pub(super) stereo: bool,
    /// `a=msid`: stream and track.
    pub(super) msid: (String, String),
    pub(super) cname: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not offered yet.
    New,
    /// Offered; the answer is awaited.
    Offered,
    /// Answered; the relay forwards.
    Active,
}

/// An m-line for a new track.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) mid: String,
    /// Whether the client has seen another track on it: it keeps that one's id then.
    pub(super) used_before: bool,
}

impl Subscriber {
    pub(super) fn new(transport: TransportId, session: u64) -> Self {
        Self {
            transport,
            local: None,
            remote: None,
            session,
            version: 0,
            offer: 0,
            in_flight: None,
            dirty: true,
            sections: Vec::new(),
            next_mid: 1,
        }
    }

    /// Finds an m-line for a track: a free one, one that was given up, a new one. `None` when
    /// there are `sections_max` already.
    pub(super) fn seat(
        &mut self,
        track: TrackId,
        codec: Codec,
        sections_max: usize,
    ) -> Option<Seat> {
        self.dirty = true;
        let occupant = Occupant::Track(track);
        let kind = kind_of(codec);
        if let Some(section) = self.find(kind, Occupant::Free) {
            (section.codec, section.occupant) = (codec, occupant);
            return Some(Seat { mid: section.mid.clone(), used_before: true });
        }
        if self.sections.len() >= sections_max && self.find(kind, Occupant::Rejected).is_none() {
            return None;
        }

        let mid = self.next_mid.to_string();
        self.next_mid += 1;
        let section = Section { mid: mid.clone(), codec, occupant };
        match self.find(kind, Occupant::Rejected) {
            Some(rejected) => *rejected = section,
            None => self.sections.push(section),
        }
        Some(Seat { mid, used_before: false })
    }

    fn find(&mut self, kind: Kind, occupant: Occupant) -> Option<&mut Section> {
        let fits = |s: &&mut Section| s.occupant == occupant && kind_of(s.codec) == kind;
        self.sections.iter_mut().find(fits)
    }

    /// Empties an m-line.
    pub(super) fn leave(&mut self, mid: &str) {
        self.dirty = true;
        if let Some(section) = self.sections.iter_mut().find(|section| section.mid == mid) {
            section.occupant = Occupant::Leaving { offered: false };
        }
    }

    /// Takes note that the client has given an m-line up.
    pub(super) fn rejected(&mut self, mid: &str) {
        if let Some(section) = self.sections.iter_mut().find(|section| section.mid == mid) {
            section.occupant = Occupant::Rejected;
        }
    }

    /// Takes note of an answer: what was offered as inactive is free now.
    pub(super) fn answered(&mut self, is_rejected: impl Fn(&str) -> bool) {
        self.in_flight = None;
        for section in &mut self.sections {
            if section.occupant == (Occupant::Leaving { offered: true }) {
                let given_up = is_rejected(&section.mid);
                section.occupant = if given_up { Occupant::Rejected } else { Occupant::Free };
            }
        }
    }

    /// The m-lines of the next offer.
    pub(super) fn offered(
        &mut self,
        subscriptions: &BTreeMap<TrackId, Subscription>,
    ) -> Vec<Offered> {
        let mut offered = vec![Offered { mid: "0".into(), content: Content::Data }];
        for section in &mut self.sections {
            let content = match section.occupant {
                Occupant::Track(track) => match subscriptions.get(&track) {
                    Some(subscription) => subscription.content(),
                    None => Content::Inactive(section.codec),
                },
                Occupant::Leaving { .. } => {
                    section.occupant = Occupant::Leaving { offered: true };
                    Content::Inactive(section.codec)
                }
                Occupant::Free => Content::Inactive(section.codec),
                Occupant::Rejected => Content::Rejected(section.codec),
            };
            offered.push(Offered { mid: section.mid.clone(), content });
        }
        offered
    }
}

impl Subscription {
    fn content(&self) -> Content {
        Content::Send {
            codec: self.codec,
            stereo: self.stereo,
            stream: self.msid.0.clone(),
            track: self.msid.1.clone(),
            ssrc: self.ssrc,
            rtx_ssrc: self.rtx_ssrc,
            cname: self.cname.clone(),
        }
    }
}
