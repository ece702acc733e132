//! What is on the wire: STUN, ChannelData, RTP, RTCP, and the control messages of the relay.
#![forbid(unsafe_code)]

pub mod av1;
mod bits;
mod bytes;
pub mod channel;
pub mod control;
pub mod data;
pub mod dependency;
pub mod frame;
pub mod h264;
pub mod ice;
mod kind;
pub mod medialog;
mod network;
pub mod operator;
pub mod rtcp;
pub mod rtp;
pub mod stream;
pub mod stun;
pub mod vp8;
pub mod vp9;

pub use bits::Bits;
pub use channel::ChannelHeader;
pub use kind::Kind;
pub use network::Network;
