//! Who sends and who receives what.

use super::source::Shape;
use crate::rtc::Kind;

/// Layers of a stream at most.
pub(super) const LAYERS_MAX: usize = 3;
/// Names of three layers, the largest first, as LiveKit's clients call them.
pub(super) const RIDS: [&str; LAYERS_MAX] = ["f", "h", "q"];

/// A track that somebody sends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    /// Who.
    pub(super) owner: usize,
    /// What, the largest layer first.
    pub(super) layers: Vec<Shape>,
}

impl Stream {
    /// Sound or pictures.
    pub(super) fn kind(&self) -> Kind {
        self.layers[0].kind
    }

    /// What signalling calls it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind() {
            Kind::Audio => "microphone",
            Kind::Video => "camera",
        }
    }
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Participant {
    /// The identity in tokens.
    pub(super) identity: String,
    /// Indices of the streams that it sends.
    pub(super) sends: Vec<usize>,
    /// Whether it receives the streams of all others.
    pub(super) receives: bool,
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cast {
    /// Those who send first.
    pub(super) participants: Vec<Participant>,
    /// What they send.
    pub(super) streams: Vec<Stream>,
}

impl Cast {
    /// `senders` send, and `receivers` receive: these are others than those.
    pub(super) fn webinar(senders: u32, receivers: u32, layers: &[Shape]) -> Self {
        let mut cast = Self { participants: Vec::new(), streams: Vec::new() };
        for number in 0..senders {
            cast.add(format!("publisher-{number}"), &[layers], false);
        }
        for number in 0..receivers {
            cast.add(format!("subscriber-{number}"), &[], true);
        }

        cast
    }

    /// Everybody sends sound and pictures and receives those of all others.
    pub(super) fn meeting(count: u32, video: &[Shape]) -> Self {
        let mut cast = Self { participants: Vec::new(), streams: Vec::new() };
        for number in 0..count {
            cast.add(format!("participant-{number}"), &[&[Shape::AUDIO], video], true);
        }

        cast
    }

    fn add(&mut self, identity: String, sends: &[&[Shape]], receives: bool) {
        let (owner, first) = (self.participants.len(), self.streams.len());
        let streams = sends.iter().map(|layers| Stream { owner, layers: layers.to_vec() });
        self.streams.extend(streams);
        let sends = (first..self.streams.len()).collect();
        self.participants.push(Participant { identity, sends, receives });
    }

    /// How many flows there are: one for each layer of each stream.
    pub(super) fn flows(&self) -> usize {
        self.streams.len() * LAYERS_MAX
    }

    /// The flow of a stream's layer.
    pub(super) fn flow(stream: usize, layer: usize) -> u32 {
        (stream * LAYERS_MAX + layer) as u32
    }

    /// The stream and the layer of a flow.
    pub(super) fn stream(flow: u32) -> (usize, usize) {
        (flow as usize / LAYERS_MAX, flow as usize % LAYERS_MAX)
    }

    /// How many send.
    pub(super) fn senders(&self) -> usize {
        self.participants.iter().filter(|participant| !participant.sends.is_empty()).count()
    }

    /// How many receive something.
    pub(super) fn receivers(&self) -> usize {
        self.participants.iter().filter(|participant| participant.receives).count()
    }

    /// By stream: whether a participant is to receive it.
    pub(super) fn wanted(&self, participant: usize) -> Vec<bool> {
        let receives = self.participants[participant].receives;

        self.streams.iter().map(|stream| receives && stream.owner != participant).collect()
    }

    /// How many are to receive a stream.
    pub(super) fn audience(&self, stream: usize) -> u64 {
        let owner = self.streams[stream].owner;
        let of_owner = u64::from(self.participants[owner].receives);

        self.receivers() as u64 - of_owner
    }

    /// Whether streams have layers, of which receivers get one.
    pub(super) fn is_layered(&self) -> bool {
        self.streams.iter().any(|stream| stream.layers.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_in_a_meeting_receives_everybody_else() {
        let cast = Cast::meeting(3, &[Shape::AUDIO]);

        assert_eq!((cast.senders(), cast.receivers(), cast.streams.len()), (3, 3, 6));
        assert_eq!(cast.wanted(1), [true, true, false, false, true, true]);
        assert_eq!(cast.audience(2), 2);
        assert_eq!(Cast::stream(Cast::flow(5, 2)), (5, 2));
    }

    #[test]
    fn publishers_of_a_webinar_receive_nothing() {
        let cast = Cast::webinar(2, 5, &[Shape::AUDIO]);

        assert_eq!((cast.senders(), cast.receivers(), cast.flows()), (2, 5, 6));
        assert_eq!(cast.wanted(0), [false, false]);
        assert_eq!((cast.wanted(3), cast.audience(0)), (vec![true, true], 5));
    }
}
