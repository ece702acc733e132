//! What `ebpf_common::relay` needs of the kernel, by helpers and maps.

use crate::maps;
use aya_ebpf::bindings::{
    BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, bpf_fib_lookup as Fib, xdp_md,
};
use aya_ebpf::helpers::generated::{bpf_fib_lookup, bpf_ktime_get_coarse_ns};
use core::intrinsics::{AtomicOrdering, atomic_cxchg};
use ebpf_common::{
    Entry, FlowKey, Hop, Kernel, Link, Meter, Outcome, Port, PortKey, Way, ipv4_bytes,
};

/// How often a CPU tries to note a datagram in a bucket that others use, before it lets it go.
const ATTEMPTS: u32 = 4;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const PROTOCOL_UDP: u8 = 17;

/// Index of the loopback interface: routes are looked up as for a packet of this machine's own, and
/// only loopback needs to have forwarding enabled.
const LOOPBACK: u32 = 1;

/// The kernel, as one run of the program sees it.
pub struct Shell {
    ctx: *mut xdp_md,
}

impl Shell {
    #[inline(always)]
    pub fn new(ctx: *mut xdp_md) -> Self {
        Self { ctx }
    }
}

impl Kernel for Shell {
    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: the context is the kernel's, valid while the program runs.
        unsafe { (*self.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: takes no arguments.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn port(&self, key: &PortKey) -> Option<&Port> {
        // SAFETY: the loader changes ports only while nothing is bound.
        unsafe { maps::PORTS.get(key) }
    }

    #[inline(always)]
    fn entry(&self, key: &FlowKey) -> Option<(u32, &Entry)> {
        // SAFETY: a slot is four bytes, read at once; whose it is `ebpf_common::relay` checks.
        let slot = unsafe { *maps::FLOWS.get(key)? };

        maps::ENTRIES.get(slot).map(|entry| (slot, entry))
    }

    #[inline(always)]
    fn link(&self, interface: u32) -> Option<&Link> {
        // SAFETY: as for ports.
        unsafe { maps::LINKS.get(interface) }
    }

    #[inline(always)]
    fn route(&self, way: &Way<'_>) -> Result<Hop, Outcome> {
        // SAFETY: plain numbers, for which zeros are valid.
        let mut fib: Fib = unsafe { core::mem::zeroed() };
        let entry = way.entry;
        fib.l4_protocol = PROTOCOL_UDP;
        fib.sport = u16::from_ne_bytes(entry.source_port);
        fib.dport = u16::from_ne_bytes(entry.destination_port);
        fib.__bindgen_anon_1.tot_len = way.len;
        fib.ifindex = LOOPBACK;
        if way.ipv4 {
            fib.family = AF_INET;
            fib.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(ipv4_bytes(&entry.source));
            fib.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(ipv4_bytes(&entry.destination));
        } else {
            fib.family = AF_INET6;
            fib.__bindgen_anon_3.ipv6_src = words(&entry.source);
            fib.__bindgen_anon_4.ipv6_dst = words(&entry.destination);
        }
        // SAFETY: the structure is ours and as long as is told.
        let found =
            unsafe { bpf_fib_lookup(self.ctx.cast(), &mut fib, size_of::<Fib>() as i32, 0) };
        match found as u32 {
            0 => Ok(Hop { interface: fib.ifindex, own: mac(&fib.smac), station: mac(&fib.dmac) }),
            BPF_FIB_LKUP_RET_FRAG_NEEDED => Err(Outcome::TooLong),
            BPF_FIB_LKUP_RET_NO_NEIGH => Err(Outcome::NoNeighbour),
            _ => Err(Outcome::NoRoute),
        }
    }

    #[inline(always)]
    fn take(&self, meter: u32, bytes: u32) -> bool {
        let Some(meter) = maps::METERS.get_ptr_mut(meter) else { return true };
        // SAFETY: the rate is one word, read at once.
        let rate_bps = unsafe { (*meter).rate_bps };
        if rate_bps == 0 {
            return true;
        }

        keep_to(meter, rate_bps, self.now(), bytes)
    }

    #[inline(always)]
    fn count(&self, slot: u32, bytes: u32, within: bool) {
        let Some(counter) = maps::COUNTERS.get_ptr_mut(slot) else { return };
        // SAFETY: this CPU's own, and programs are not interrupted by each other.
        let counter = unsafe { &mut *counter };
        if within {
            counter.packets += 1;
            counter.bytes += u64::from(bytes);
        } else {
            counter.refused += 1;
        }
    }

    #[inline(always)]
    fn tally(&self, outcome: Outcome) {
        if let Some(count) = maps::OUTCOMES.get_ptr_mut(outcome as u32) {
            // SAFETY: as above.
            unsafe { *count += 1 };
        }
    }
}

/// Notes a datagram in a bucket, unless it is over the limit.
#[inline(always)]
fn keep_to(meter: *mut Meter, rate_bps: u64, now: u64, bytes: u32) -> bool {
    // SAFETY: within the map's value.
    let busy_until = unsafe { &raw mut (*meter).busy_until };
    // SAFETY: one word, read at once.
    let mut seen = unsafe { busy_until.read() };
    for _ in 0..ATTEMPTS {
        let Some(after) = Meter::after(seen, rate_bps, now, bytes) else { return false };
        // SAFETY: an aligned word of the map, which other CPUs change in the same way only.
        let (found, exchanged) = unsafe {
            atomic_cxchg::<_, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                busy_until, seen, after,
            )
        };
        if exchanged {
            return true;
        }
        seen = found;
    }

    true
}

/// A MAC address on the stack, which must be read as what its alignment allows.
#[inline(always)]
fn mac(bytes: &[u8; 6]) -> [u16; 3] {
    let words = bytes.as_ptr().cast::<u16>();
    // SAFETY: six bytes, at an even address as `bpf_fib_lookup` is laid out.
    unsafe { [words.read_volatile(), words.add(1).read_volatile(), words.add(2).read_volatile()] }
}

#[inline(always)]
fn words(ip: &[u8; 16]) -> [u32; 4] {
    // SAFETY: the same bytes in the same order, of which any are valid numbers.
    unsafe { core::mem::transmute::<[u8; 16], [u32; 4]>(*ip) }
}
