//! Brings a datagram to the CPU of the shard that it is for, before the stack has seen it.

use crate::frame::XdpFrame;
use crate::maps;
use crate::steer::{owner, tally};
use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use core::mem::MaybeUninit;
use ebpf_common::steer::{self, Choice};
use ebpf_common::{Datagram, FlowKey};

/// Returns what the program is to return. A function of its own, with a stack of its own.
#[inline(never)]
pub fn bring(ctx: *mut xdp_md) -> u32 {
    // The first shard has a CPU if any has.
    if maps::SHARD_CPUS.get(0).is_none_or(|cpu| *cpu == 0) {
        return XDP_PASS;
    }
    let (mut datagram, mut key) = (Datagram::default(), FlowKey::EMPTY);
    if datagram.read(&XdpFrame::new(ctx), &mut key).is_err() {
        return XDP_PASS;
    }
    let payload = Payload { ctx, at: datagram.front_len.into() };
    let (shard, choice) = owner(&payload, &mut key);
    if choice == Choice::Hash {
        tally(choice);
        return XDP_PASS;
    }
    let cpu = maps::SHARD_CPUS.get(shard).copied().unwrap_or(0);
    if cpu == 0 {
        tally(Choice::Missing);
        return XDP_PASS;
    }
    tally(choice);

    // Where there is no such CPU the frame stays.
    maps::CPUS.redirect(cpu - 1, XDP_PASS.into()).unwrap_or(XDP_PASS)
}

/// A frame's UDP payload.
struct Payload {
    ctx: *mut xdp_md,
    at: u32,
}

impl steer::Datagram for Payload {
    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        let (at, to) = (self.at + at, bytes.as_mut_ptr().cast());
        // SAFETY: room for the bytes that are asked for.
        let failed = unsafe { bpf_xdp_load_bytes(self.ctx, at, to, N as u32) };

        // SAFETY: written if the helper has not failed.
        (failed == 0).then(|| unsafe { bytes.assume_init() })
    }
}
