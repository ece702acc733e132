//! A lean WebRTC client: session descriptions, ICE, DTLS (dimpl) and SRTP (libsrtp2), nothing else.
//!
//! It keeps no jitter buffer, repairs nothing and asks for no retransmission: what the network and
//! the server lose is lost, and is counted.

mod connection;
mod data;
mod describe;
mod dtls;
mod ice;
pub(crate) mod rtcp;
pub(crate) mod rtp;
pub(crate) mod sdp;
mod srtp;

pub(crate) use connection::{Arrival, Connection, Local};
pub(crate) use describe::{AUDIO_LEVEL, MID, Offered, RID};
pub(crate) use dtls::Identity;
pub(crate) use sdp::{Kind, Remote};
pub(crate) use srtp::Refusal;
