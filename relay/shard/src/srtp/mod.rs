//! SRTP and SRTCP (RFC 3711, RFC 7714): a transport's keys, roll-over counters, replay windows.

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

/// Bytes of hexadecimal text with or without blanks, for the RFCs' examples.
#[cfg(test)]
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
