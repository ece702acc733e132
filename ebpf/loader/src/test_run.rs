//! Single frames through the program, by `BPF_PROG_TEST_RUN`: nothing leaves the machine.

use crate::Offload;
use aya::programs::{TestRun as _, TestRunOptions};
use std::io;
use std::time::Duration;

/// Bytes that a frame may grow by.
const GROWTH: usize = 128;

/// What the program says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the network stack.
    Pass,
    /// Nowhere.
    Drop,
    /// Out by the interface that it came in by.
    Transmit,
    /// Out by another interface.
    Redirect,
    /// The program failed.
    Aborted,
}

/// How a frame fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What the program says.
    pub action: Action,
    /// The frame afterwards.
    pub frame: Vec<u8>,
    /// How long one run took, on average.
    pub duration: Duration,
}

impl Offload {
    /// Runs the program on a frame `repeat` times, as if it had come in by an interface's first
    /// queue; the frame returned is that after the last run, which began where the one before
    /// ended.
    ///
    /// # Errors
    /// What the kernel says: EINVAL if the frame is shorter than an Ethernet header, or if the
    /// interface runs no XDP program in driver mode.
    pub fn try_frame(&self, interface: u32, frame: &[u8], repeat: u32) -> io::Result<Ran> {
        let mut output = vec![0; frame.len() + GROWTH];
        let context = context(interface, frame);
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut output);
        options.ctx_in = Some(&context);
        options.repeat = repeat;
        let ran = self.program().test_run(options).map_err(io::Error::other)?;
        output.truncate(ran.data_size_out as usize);
        let action = match ran.return_value {
            1 => Action::Drop,
            2 => Action::Pass,
            3 => Action::Transmit,
            4 => Action::Redirect,
            _ => Action::Aborted,
        };

        Ok(Ran { action, frame: output, duration: ran.duration })
    }
}

/// What tells the kernel where a frame has come in: `xdp_md` of <linux/bpf.h>.
pub(crate) fn context(interface: u32, frame: &[u8]) -> Vec<u8> {
    let (start, end, meta, queue, egress) = (0, frame.len() as u32, 0, 0, 0);
    let words = [start, end, meta, interface, queue, egress];

    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}
