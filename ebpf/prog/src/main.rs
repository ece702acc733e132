//! The programs in the kernel, shells around `ebpf_common`: `relay` for XDP, `steer` for sockets.

#![no_std]
#![no_main]
// Rust has no atomics for this target, the kernel has.
#![feature(core_intrinsics)]
#![allow(internal_features)]

mod cpu;
mod frame;
mod kernel;
mod maps;
mod steer;

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use ebpf_common::Verdict;
use frame::XdpFrame;
use kernel::Shell;

/// Relays what is of a bound channel, and passes all else.
#[xdp]
pub fn relay(ctx: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(ctx.ctx);
    let shell = Shell::new(ctx.ctx);
    match ebpf_common::relay(&mut frame, &shell) {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Stray => cpu::bring(ctx.ctx),
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Transmit => xdp_action::XDP_TX,
        Verdict::Redirect(port) => {
            maps::DEVICES.redirect(port, 0).unwrap_or(xdp_action::XDP_ABORTED)
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing that is built into the object can panic; the verifier would find the loop.
    unsafe { core::hint::unreachable_unchecked() }
}
