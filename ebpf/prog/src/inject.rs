//! Sends frames for measurements: `BPF_PROG_TEST_RUN` with live frames makes them, and uses their
//! memory again with what was written to it meanwhile, so each gets its first bytes anew.

#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::XdpContext;

/// As many bytes as headers are changed at most; frames are no shorter.
const FRONT: usize = 80;

/// The frame's first bytes.
#[map]
static FRAME: Array<[u64; FRONT / 8]> = Array::with_max_entries(1, 0);

/// Writes the frame's first bytes, and sends it.
#[xdp]
pub fn inject(ctx: XdpContext) -> u32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    let Some(front) = FRAME.get(0) else { return xdp_action::XDP_DROP };
    if start + FRONT > end {
        return xdp_action::XDP_DROP;
    }
    // SAFETY: as many bytes as have been compared with the frame's end.
    unsafe { (start as *mut [u64; FRONT / 8]).write_unaligned(*front) };

    xdp_action::XDP_TX
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing that is built into the object can panic; the verifier would find the loop.
    unsafe { core::hint::unreachable_unchecked() }
}
