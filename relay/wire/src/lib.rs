//! What is on the wire: STUN, ChannelData, RTP, RTCP, and the control messages of the relay.

pub mod control;
