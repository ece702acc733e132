//! What stands in the maps: byte arrays in network order, without padding.

use crate::bytes::part;

/// Version of the maps' layout: pinned maps of another one are not adopted.
pub const LAYOUT: u32 = 1;

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $len:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(C, align(8))]
        pub struct $name {
            $($(#[$field_doc])* pub $field: [u8; $len],)*
        }

        impl $name {
            /// Bytes in the map.
            pub const LEN: usize = 0 $(+ $len)*;

            /// As it stands in the map.
            pub fn to_bytes(&self) -> [u8; Self::LEN] {
                let mut bytes = [0; Self::LEN];
                let mut rest = &mut bytes[..];
                $(
                    let (field, behind) = rest.split_at_mut($len);
                    field.copy_from_slice(&self.$field);
                    rest = behind;
                )*
                debug_assert!(rest.is_empty());

                bytes
            }

            /// Reads what stands in the map.
            pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
                let mut record = Self { $($field: [0; $len],)* };
                let mut rest = &bytes[..];
                $(
                    let (field, behind) = rest.split_at($len);
                    record.$field.copy_from_slice(field);
                    rest = behind;
                )*
                debug_assert!(rest.is_empty());

                record
            }
        }

        const _: () = assert!(size_of::<$name>() == $name::LEN, "padding");
    };
}

record! {
    /// What tells a flow: the addresses of a datagram, and its channel if a client sends it.
    FlowKey {
        /// Who sends it.
        remote: 16,
        /// Our address that it is for.
        local: 16,
        /// The sender's port.
        remote_port: 2,
        /// Our port.
        local_port: 2,
        /// The number in its ChannelData header; 0: a peer's datagram, which has none.
        channel: 2,
        /// Zeros.
        reserved: 2,
    }
}

record! {
    /// What becomes of a flow's datagrams: one place of the array that slots point into.
    Entry {
        /// The flow that this is for: a slot that was used again is noticed by it.
        key: 40,
        /// The address that the datagram leaves from.
        source: 16,
        /// The address that it goes to.
        destination: 16,
        /// The port that it leaves from.
        source_port: 2,
        /// The port that it goes to.
        destination_port: 2,
        /// The number of the ChannelData header that it gets; 0: none.
        channel: 2,
        /// A set of `kind`'s bits.
        kind: 1,
        /// Zero.
        reserved: 1,
        /// Until when it is relayed: nanoseconds of `CLOCK_MONOTONIC`.
        expires: 8,
        /// What addresses, ports and the channel's number change in the UDP checksum.
        checksum: 4,
        /// Index of the bandwidth limit.
        meter: 4,
    }
}

/// Bits of `Entry::kind`.
pub mod kind {
    /// The destination is a relayed address of this very server.
    pub const INSIDE: u8 = 1;
    /// It leaves as IPv4.
    pub const IPV4: u8 = 2;
}

record! {
    /// A way into the machine: an interface and the VLANs of a frame's tags.
    PortKey {
        /// Index of the interface.
        interface: 4,
        /// VLAN of the outer tag; 0: none.
        outer: 2,
        /// VLAN of the inner tag; 0: none.
        inner: 2,
    }
}

record! {
    /// What is known of a way in.
    Port {
        /// Our MAC address there: what is for others is theirs.
        mac: 6,
        /// Zeros.
        reserved: 2,
    }
}

record! {
    /// How a frame leaves by an interface that routes name.
    Link {
        /// Index of the interface that carries it: itself, or the one below a VLAN.
        port: 4,
        /// VLAN tags that it gets, outer first, each a protocol and an identifier.
        tags: 8,
        /// How many bytes of `tags` there are: 0, 4 or 8.
        tags_len: 1,
        /// Zeros.
        reserved: 3,
    }
}

/// What one CPU has relayed of a flow; in the machine's own order, since it counts there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counter {
    /// Datagrams that were relayed.
    pub packets: u64,
    /// Their bytes, without headers, ChannelData's neither.
    pub bytes: u64,
    /// Datagrams over the bandwidth limit.
    pub refused: u64,
}

impl FlowKey {
    /// Zeros, to be filled.
    pub const EMPTY: Self = Self {
        remote: [0; 16],
        local: [0; 16],
        remote_port: [0; 2],
        local_port: [0; 2],
        channel: [0; 2],
        reserved: [0; 2],
    };

    /// Whether an entry is for this flow.
    #[inline(always)]
    pub fn is_of(&self, entry: &Entry) -> bool {
        let key = &entry.key;
        let hosts = word(&self.remote, 0) == word(key, 0)
            && word(&self.remote, 8) == word(key, 8)
            && word(&self.local, 0) == word(key, 16)
            && word(&self.local, 8) == word(key, 24);
        let ports = half(self.remote_port) == half(part(key, 32))
            && half(self.local_port) == half(part(key, 34))
            && half(self.channel) == half(part(key, 36));

        hosts && ports
    }
}

/// Eight bytes at once; arrays compared as such would call a function that the kernel lacks.
#[inline(always)]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_ne_bytes(part(bytes, at))
}

#[inline(always)]
fn half(bytes: [u8; 2]) -> u16 {
    u16::from_ne_bytes(bytes)
}
