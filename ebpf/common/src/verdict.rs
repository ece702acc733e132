//! What becomes of a frame, and why: each reason is a counter.

/// What the kernel is told to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On to the network stack, as it came.
    Pass,
    /// The same, but it is a whole datagram for us: the CPU of its shard may be better.
    Stray,
    /// Nowhere.
    Drop,
    /// Out by the interface that it came in by.
    Transmit,
    /// Out by the interface of this index.
    Redirect(u32),
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// Why a frame got its verdict; relayed frames have an outcome too.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Outcome {
            $($(#[$doc])* $name,)*
        }

        impl Outcome {
            /// Every outcome, in the order of its counters.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The label of its metric.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

outcomes! {
    /// Relayed by the interface that it came in by.
    Transmitted = "transmitted",
    /// Relayed by another interface.
    Redirected = "redirected",
    /// Dropped: over the allocation's bandwidth.
    Bandwidth = "bandwidth",
    /// Dropped: its headers could not be written after its length had been changed.
    Aborted = "aborted",
    /// Passed: neither IPv4 nor IPv6, or more than two VLAN tags.
    NotIp = "not_ip",
    /// Passed: not UDP; behind IPv6 extension headers nobody looks.
    NotUdp = "not_udp",
    /// Passed: IPv4 with options.
    Options = "options",
    /// Passed: a fragment.
    Fragment = "fragment",
    /// Passed: lengths that do not agree, padding of short Ethernet frames included, or a wrong
    /// checksum of the IPv4 header.
    Malformed = "malformed",
    /// Passed: for another station's MAC address, or on a VLAN that is not ours.
    OtherStation = "other_station",
    /// Passed: not of a flow that is relayed here.
    NoFlow = "no_flow",
    /// Passed: its channel or permission has ended.
    Expired = "expired",
    /// Passed: ChannelData whose length is not that of the datagram.
    Padded = "padded",
    /// Passed: it has no UDP checksum and must get one.
    NoChecksum = "no_checksum",
    /// Passed: its peer is a relayed address of ours that has no channel for the sender.
    InsideElsewhere = "inside_elsewhere",
    /// Passed: no route, or one that the program does not take.
    NoRoute = "no_route",
    /// Passed: the next hop's MAC address is not known yet.
    NoNeighbour = "no_neighbour",
    /// Passed: longer than the next link takes.
    TooLong = "too_long",
    /// Passed: it would leave by an interface that is not attached.
    NoLink = "no_link",
}

impl Outcome {
    /// Whether the frame goes on to the network stack.
    pub fn passes(self) -> bool {
        !matches!(self, Self::Transmitted | Self::Redirected | Self::Bandwidth | Self::Aborted)
    }
}
