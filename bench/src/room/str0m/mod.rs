//! Clients that are whole WebRTC stacks (str0m): dear, and like those of people.

mod participant;
mod peer;

pub(super) use participant::Participant;
