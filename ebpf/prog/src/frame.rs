//! The frame between the two pointers of an XDP context.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::bpf_xdp_adjust_head;
use core::hint::assert_unchecked;
use ebpf_common::Frame;

/// A frame of the driver's.
pub struct XdpFrame {
    ctx: *mut xdp_md,
}

impl XdpFrame {
    #[inline(always)]
    pub fn new(ctx: *mut xdp_md) -> Self {
        Self { ctx }
    }

    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: the context is the kernel's, valid while the program runs.
        unsafe { (*self.ctx).data as usize }
    }

    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.ctx).data_end as usize }
    }

    #[inline(always)]
    fn pointer<const N: usize>(&self, at: usize) -> Option<*mut [u8; N]> {
        let start = self.start();
        // SAFETY: no frame is at address 0.
        unsafe { assert_unchecked(start != 0 && start + at != 0) };
        if start + at + N > self.end() {
            return None;
        }

        Some((start + at) as *mut [u8; N])
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn len(&self) -> usize {
        self.end() - self.start()
    }

    #[inline(always)]
    fn get<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        // SAFETY: `pointer` has compared it with the frame's end; bytes need no alignment.
        self.pointer(at).map(|pointer| unsafe { &*pointer })
    }

    #[inline(always)]
    fn get_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        // SAFETY: as above, and the borrow of `self` keeps it the only one.
        self.pointer(at).map(|pointer| unsafe { &mut *pointer })
    }

    #[inline(always)]
    fn shorten(&mut self, bytes: i32) -> bool {
        // SAFETY: the kernel checks that there is room; pointers are read again afterwards.
        unsafe { bpf_xdp_adjust_head(self.ctx, bytes) == 0 }
    }
}
