//! SRTP and SRTCP (RFC 3711, RFC 7714): one transport's keys, roll-over counters and replay windows.

mod cipher;
mod cm;
mod egress;
mod gcm;
mod header;
mod ingress;
mod kdf;
mod profile;
mod replay;
mod streams;

pub use egress::SrtpEgress;
pub use ingress::SrtpIngress;
pub use profile::{MasterKey, Profile, from_keying_material};
