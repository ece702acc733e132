//! What a shard is told at its birth.

use crate::{Ledger, Reached, TurnConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A shard's place, addresses and identity.
#[derive(Clone)]
pub struct Config {
    /// This shard's index, below `shards`.
    pub index: u16,
    /// How many shards there are.
    pub shards: u16,
    /// Addresses offered as candidates, best first.
    pub candidates: Vec<SocketAddr>,
    /// TCP addresses offered as candidates, best first (passive, RFC 6544).
    pub candidates_tcp: Vec<SocketAddr>,
    /// The media addresses: what is listened on, and how others reach it.
    pub listen: Vec<Reached<SocketAddr>>,
    /// Our certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS #8 DER.
    pub private_key: Vec<u8>,
    /// Which DTLS versions are spoken.
    pub dtls: DtlsVersions,
    /// Seed of everything random: credentials, SSRCs, hash keys.
    pub seed: [u8; 32],
    /// Bounds.
    pub limits: Limits,
    /// Seconds since the Unix epoch at the shard's birth; see `Shard::set_clock`.
    pub unix_seconds: u64,
    /// TURN.
    pub turn: TurnConfig,
    /// Who counts allocations over all shards.
    pub ledger: Arc<dyn Ledger>,
}

/// DTLS versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsVersions {
    /// 1.3 when the client can, else 1.2.
    Auto,
    /// 1.2 only.
    Only12,
}

/// Bounds of a shard's tables; full means refuse and count.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rooms on this shard.
    pub rooms: usize,
    /// Participants in one room.
    pub room_participants: usize,
    /// Tracks of one participant.
    pub participant_tracks: usize,
    /// Rooms of this shard that may be recorded at a time.
    pub recordings: usize,
    /// Transports on this shard.
    pub transports: usize,
    /// SSRCs received on one transport at a time; of those before them the end is remembered.
    pub transport_ssrcs: usize,
    /// Bytes of one data message.
    pub data_message_bytes: usize,
    /// Unacknowledged bytes to one receiver of data.
    pub data_unacknowledged_bytes: usize,
    /// Time for a transport to connect.
    pub connect_timeout: Duration,
    /// Silence of ICE checks after which a transport is gone: half of what RFC 7675, section 5.1,
    /// allows, since clients check each 2.5 to 5 s and nobody likes to look at a frozen face.
    pub consent_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            room_participants: 1_000,
            participant_tracks: 32,
            recordings: 256,
            transports: 20_000,
            transport_ssrcs: 64,
            data_message_bytes: 65_536,
            data_unacknowledged_bytes: 1 << 20,
            connect_timeout: Duration::from_secs(20),
            consent_timeout: Duration::from_secs(15),
        }
    }
}
