//! Rooms and their participants, pure: SDP, LiveKit messages, what the relay is told.
