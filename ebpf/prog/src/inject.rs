//! Sends and counts frames for measurements. `BPF_PROG_TEST_RUN` with live frames makes those that
//! `inject` sends, and uses their memory again with what was written to it meanwhile, so each gets
//! its first bytes anew. `sink` counts what comes of them, and takes it out.

#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, PerCpuArray};
use aya_ebpf::programs::XdpContext;

/// As many bytes as headers are changed at most; frames are no shorter.
const FRONT: usize = 80;

/// The loopback interface of every namespace.
const LOOPBACK: u32 = 1;

/// Where the protocol of an Ethernet frame stands, and behind the headers that follow it without
/// options the port that a UDP datagram is for.
const ETHERTYPE: usize = 12;
const IPV4: (u16, usize, usize) = (0x0800, 23, 36);
const IPV6: (u16, usize, usize) = (0x86dd, 20, 56);
const UDP: u8 = 17;

/// The frames' first bytes.
#[map]
static FRAMES: Array<[u64; FRONT / 8]> = Array::with_max_entries(1, 0);

/// Which of them is next, and how many there are. One CPU sends.
#[map]
static TURN: Array<[u32; 2]> = Array::with_max_entries(1, 0);

/// The port whose datagrams are taken out.
#[map]
static PORT: Array<u32> = Array::with_max_entries(1, 0);

/// How many were.
#[map]
static TAKEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Writes the first bytes of the frame whose turn it is, and sends it. At loopback it only stands.
#[xdp]
pub fn inject(ctx: XdpContext) -> u32 {
    // SAFETY: the kernel's context, which is whole.
    if unsafe { (*ctx.ctx).ingress_ifindex } == LOOPBACK {
        return xdp_action::XDP_PASS;
    }
    let (start, end) = (ctx.data(), ctx.data_end());
    let Some(turn) = TURN.get_ptr_mut(0) else { return xdp_action::XDP_DROP };
    // SAFETY: the map's own memory, which one CPU writes.
    let [next, count] = unsafe { *turn };
    let Some(front) = FRAMES.get(next) else { return xdp_action::XDP_DROP };
    if start + FRONT > end {
        return xdp_action::XDP_DROP;
    }
    // SAFETY: as many bytes as have been compared with the frame's end.
    unsafe { (start as *mut [u64; FRONT / 8]).write_unaligned(*front) };
    let after = if next + 1 < count { next + 1 } else { 0 };
    // SAFETY: as above.
    unsafe { (*turn)[0] = after };

    xdp_action::XDP_TX
}

/// Takes out the datagrams for the port, and passes all else.
#[xdp]
pub fn sink(ctx: XdpContext) -> u32 {
    if port_of(&ctx).map(u32::from) != PORT.get(0).copied() {
        return xdp_action::XDP_PASS;
    }
    if let Some(taken) = TAKEN.get_ptr_mut(0) {
        // SAFETY: this CPU's own counter.
        unsafe { *taken += 1 };
    }

    xdp_action::XDP_DROP
}

/// The port that a plain UDP datagram is for.
#[inline(always)]
fn port_of(ctx: &XdpContext) -> Option<u16> {
    let is = |(ethertype, _, _): (u16, usize, usize)| load(ctx, ETHERTYPE) == Some(ethertype);
    let (_, protocol, port) = if is(IPV4) {
        IPV4
    } else if is(IPV6) {
        IPV6
    } else {
        return None;
    };
    let [protocol, _] = load(ctx, protocol)?.to_be_bytes();

    if protocol == UDP { load(ctx, port) } else { None }
}

/// Two bytes of the frame.
#[inline(always)]
fn load(ctx: &XdpContext, at: usize) -> Option<u16> {
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + at + 2 > end {
        return None;
    }
    // SAFETY: as many bytes as have been compared with the frame's end.
    let bytes = unsafe { ((start + at) as *const [u8; 2]).read_unaligned() };

    Some(u16::from_be_bytes(bytes))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing that is built into the object can panic; the verifier would find the loop.
    unsafe { core::hint::unreachable_unchecked() }
}
