//! The peer connection on which a client receives; we always offer.

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
    kind: Kind,
    occupant: Occupant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occupant {
    Track(TrackId),
    /// Its track is gone; both sides must have rejected it before its place is taken again.
    Leaving {
        offered: bool,
    },
    /// Rejected: another may take its place, under another mid (RFC 8829, section 5.2.2).
    // Never the same mid again: LiveKit's Rust SDK takes a stream for one that it has if it comes
    // back on its m-line, and browsers keep the id of an m-line's first track.
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
    /// Frames a second that it wants at most.
    pub(super) fps_max: Option<u16>,
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

    /// Finds an m-line for a track, and gives its mid: in the place of a rejected one, or a further
    /// one. `None` when there are `sections_max` already.
    pub(super) fn seat(
        &mut self,
        track: TrackId,
        kind: Kind,
        sections_max: usize,
    ) -> Option<String> {
        self.dirty = true;
        let mid = self.next_mid.to_string();
        let section = Section { mid: mid.clone(), kind, occupant: Occupant::Track(track) };
        let full = self.sections.len() >= sections_max;
        match self.rejected_of(kind) {
            Some(rejected) => *rejected = section,
            None if full => return None,
            None => self.sections.push(section),
        }
        self.next_mid += 1;
        Some(mid)
    }

    fn rejected_of(&mut self, kind: Kind) -> Option<&mut Section> {
        let fits = |s: &&mut Section| s.occupant == Occupant::Rejected && s.kind == kind;
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

    /// Takes note of an answer: what was offered as rejected may be replaced now.
    pub(super) fn answered(&mut self) {
        self.in_flight = None;
        for section in &mut self.sections {
            if section.occupant == (Occupant::Leaving { offered: true }) {
                section.occupant = Occupant::Rejected;
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
            if matches!(section.occupant, Occupant::Leaving { .. }) {
                section.occupant = Occupant::Leaving { offered: true };
            }
            let content = match section.occupant {
                Occupant::Track(track) => subscriptions.get(&track).map(Subscription::content),
                Occupant::Leaving { .. } | Occupant::Rejected => None,
            };
            let content = content.unwrap_or(Content::Rejected(section.kind));
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
