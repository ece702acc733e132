//! The way of a relayed datagram: ChannelData of a client to its peer, a peer's datagram to the
//! client as ChannelData (RFC 8656, section 12), and from client to client where both are ours.

use crate::bytes::part;
use crate::write::Front;
use crate::{Datagram, Entry, FlowKey, Frame, Link, Outcome, Port, PortKey, Verdict};
use crate::{checksum, kind};

/// Bytes of a ChannelData header.
pub(crate) const CHANNEL_LEN: u16 = 4;

/// Numbers of channels: those of RFC 5766 too.
const CHANNELS: core::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// What the way needs of the kernel, or of a test in its place.
pub trait Kernel {
    /// Index of the interface that the frame came in by.
    fn interface(&self) -> u32;

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    fn now(&self) -> u64;

    /// What is known of a way in.
    fn port(&self, key: &PortKey) -> Option<&Port>;

    /// The slot that a flow had a moment ago, and what stands there.
    fn entry(&self, key: &FlowKey) -> Option<(u32, &Entry)>;

    /// How frames leave by an interface that a route names.
    fn link(&self, interface: u32) -> Option<&Link>;

    /// Where a packet goes next; the error is why it has to take the stack's way.
    fn route(&self, way: &Way<'_>) -> Result<Hop, Outcome>;

    /// Whether a datagram of so many bytes keeps within a bandwidth limit.
    fn take(&self, meter: u32, bytes: u32) -> bool;

    /// Counts a datagram of a flow; `within`: the bandwidth limit.
    fn count(&self, slot: u32, bytes: u32, within: bool);

    /// Counts a frame.
    fn tally(&self, outcome: Outcome);
}

/// A packet that looks for its way.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Whether it is IPv4.
    pub ipv4: bool,
    /// Sender and receiver.
    pub entry: &'a Entry,
    /// Bytes from the IP header on.
    pub len: u16,
}

/// The next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The interface that the route names.
    pub interface: u32,
    /// MAC address of that interface, as words in the machine's order.
    pub own: [u16; 3],
    /// MAC address of the next station.
    pub station: [u16; 3],
}

/// Relays a frame if it is of a flow in the maps. A frame that passes is as it came.
#[inline(always)]
pub fn relay(frame: &mut impl Frame, kernel: &impl Kernel) -> Verdict {
    let (outcome, verdict) = match attempt(frame, kernel) {
        Ok(port) if port == kernel.interface() => (Outcome::Transmitted, Verdict::Transmit),
        Ok(port) => (Outcome::Redirected, Verdict::Redirect(port)),
        Err(Outcome::NoFlow) => (Outcome::NoFlow, Verdict::Stray),
        Err(outcome) if outcome.passes() => (outcome, Verdict::Pass),
        Err(outcome) => (outcome, Verdict::Drop),
    };
    kernel.tally(outcome);

    verdict
}

/// Returns the index of the interface that the frame leaves by.
#[inline(always)]
fn attempt(frame: &mut impl Frame, kernel: &impl Kernel) -> Result<u32, Outcome> {
    let mut datagram = Datagram::default();
    let mut key = FlowKey::EMPTY;
    datagram.read(frame, &mut key)?;
    if !is_for_us(frame, &datagram, kernel) {
        return Err(Outcome::OtherStation);
    }
    let plan = Plan::of(&datagram, &mut key, kernel)?;
    let checksum = plan.checksum(&datagram)?;
    let way = plan.way();
    let hop = kernel.route(&way)?;
    let link = kernel.link(hop.interface).ok_or(Outcome::NoLink)?;
    plan.charge(kernel)?;
    let front = Front { hop, link, way, checksum, data_len: plan.data_len };
    let before = datagram.front_len + plan.stripped;
    if !frame.shorten(i32::from(before) - front.len() as i32) {
        return Err(Outcome::Aborted);
    }
    front.write(frame).ok_or(Outcome::Aborted)?;

    Ok(u32::from_be_bytes(link.port))
}

#[inline(always)]
fn is_for_us(frame: &impl Frame, datagram: &Datagram, kernel: &impl Kernel) -> bool {
    let [outer, inner] = datagram.vlans;
    let key = PortKey {
        interface: kernel.interface().to_be_bytes(),
        outer: outer.to_be_bytes(),
        inner: inner.to_be_bytes(),
    };
    let Some(port) = kernel.port(&key) else { return false };
    let Some(station) = frame.get::<6>(0) else { return false };
    let word = |mac: &[u8; 6]| u32::from_ne_bytes(part(mac, 0));
    let rest = |mac: &[u8; 6]| u16::from_ne_bytes(part(mac, 4));

    word(&port.mac) == word(station) && rest(&port.mac) == rest(station)
}

/// What becomes of a datagram.
struct Plan<'a> {
    /// Its flow.
    first: (u32, &'a Entry),
    /// The flow that it leaves by: another one if its peer is a relayed address of ours.
    last: (u32, &'a Entry),
    /// Bytes of the ChannelData header that it came with.
    stripped: u16,
    /// Bytes of application data.
    data_len: u16,
}

impl<'a> Plan<'a> {
    #[inline(always)]
    fn of(
        datagram: &Datagram,
        key: &mut FlowKey,
        kernel: &'a impl Kernel,
    ) -> Result<Self, Outcome> {
        let (number, data_len) = ((datagram.start >> 16) as u16, datagram.start as u16);
        if CHANNELS.contains(&number) {
            key.channel = number.to_be_bytes();
            match find(key, kernel) {
                Ok(first) => {
                    if data_len != datagram.payload_len - CHANNEL_LEN {
                        return Err(Outcome::Padded);
                    }
                    let last = inside(first, kernel)?;
                    return Ok(Self { first, last, stripped: CHANNEL_LEN, data_len });
                }
                Err(Outcome::NoFlow) => key.channel = [0; 2],
                Err(outcome) => return Err(outcome),
            }
        }
        let first = find(key, kernel)?;

        Ok(Self { first, last: first, stripped: 0, data_len: datagram.payload_len })
    }

    /// Whether it goes from one allocation of ours to another.
    #[inline(always)]
    fn is_inside(&self) -> bool {
        self.first.1.kind[0] & kind::INSIDE != 0
    }

    /// The UDP checksum that it leaves with; IPv4 may do without, IPv6 may not.
    #[inline(always)]
    fn checksum(&self, datagram: &Datagram) -> Result<u16, Outcome> {
        let entry = self.last.1;
        if datagram.checksum == 0 {
            let may = datagram.ipv4 && entry.kind[0] & kind::IPV4 != 0;
            return if may { Ok(0) } else { Err(Outcome::NoChecksum) };
        }
        let mut change = u32::from_be_bytes(self.first.1.checksum);
        if self.is_inside() {
            change += u32::from_be_bytes(entry.checksum);
        }
        if self.stripped != 0 {
            change += u32::from(!self.data_len);
        }
        if entry.channel[0] != 0 {
            change += u32::from(self.data_len);
        }

        Ok(checksum::updated(datagram.checksum, change))
    }

    #[inline(always)]
    fn way(&self) -> Way<'a> {
        let entry = self.last.1;
        let ipv4 = entry.kind[0] & kind::IPV4 != 0;

        Way { ipv4, entry, len: Front::ip_len(ipv4, entry.channel[0] != 0, self.data_len) }
    }

    /// Counts, and keeps to the bandwidth: of the sender's allocation, then of the receiver's.
    #[inline(always)]
    fn charge(&self, kernel: &impl Kernel) -> Result<(), Outcome> {
        charge(self.first, self.data_len, kernel)?;
        if self.is_inside() {
            charge(self.last, self.data_len, kernel)?;
        }

        Ok(())
    }
}

/// What a flow's slot holds, if it is still this flow's and has not ended.
#[inline(always)]
fn find<'a>(key: &FlowKey, kernel: &'a impl Kernel) -> Result<(u32, &'a Entry), Outcome> {
    let (slot, entry) = kernel.entry(key).ok_or(Outcome::NoFlow)?;
    if !key.is_of(entry) {
        return Err(Outcome::NoFlow);
    }
    if u64::from_be_bytes(entry.expires) <= kernel.now() {
        return Err(Outcome::Expired);
    }

    Ok((slot, entry))
}

/// The flow of the other client, if the peer is a relayed address of ours, or else the same one.
#[inline(always)]
fn inside<'a>(
    first: (u32, &'a Entry),
    kernel: &'a impl Kernel,
) -> Result<(u32, &'a Entry), Outcome> {
    let entry = first.1;
    if entry.kind[0] & kind::INSIDE == 0 {
        return Ok(first);
    }
    let key = FlowKey {
        remote: entry.source,
        local: entry.destination,
        remote_port: entry.source_port,
        local_port: entry.destination_port,
        channel: [0; 2],
        reserved: [0; 2],
    };

    match find(&key, kernel) {
        Err(Outcome::NoFlow) => Err(Outcome::InsideElsewhere),
        found => found,
    }
}

#[inline(always)]
fn charge((slot, entry): (u32, &Entry), len: u16, kernel: &impl Kernel) -> Result<(), Outcome> {
    let within = kernel.take(u32::from_be_bytes(entry.meter), len.into());
    kernel.count(slot, len.into(), within);

    if within { Ok(()) } else { Err(Outcome::Bandwidth) }
}
