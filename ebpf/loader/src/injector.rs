//! Sends one frame over and over from within the kernel, for measurements: no socket, no copy, as
//! fast as the far end's driver takes it.

use crate::AttachError;
use crate::attach::{check_capabilities, one_line, refused_maps};
use crate::interface::Interface;
use crate::test_run::context;
use aya::maps::Array;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use std::io;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../object/inject.o");

const PROGRAM: &str = "inject";

/// Bytes that each frame gets anew.
const FRONT: usize = 80;

/// Frames that are made and sent at once.
const BATCH: u32 = 64;

/// Sends a frame out of an interface.
pub struct Injector {
    ebpf: Ebpf,
    frame: Vec<u8>,
    context: Vec<u8>,
}

impl Injector {
    /// A frame of 80 to 3,500 bytes, Ethernet header first, for an interface of this name that
    /// runs an XDP program in driver mode.
    ///
    /// # Errors
    /// Says in one line what is in the way.
    pub fn new(interface: &str, frame: &[u8]) -> Result<Self, AttachError> {
        check_capabilities()?;
        let short = || AttachError::Kernel(format!("frames have at least {FRONT} bytes"));
        let interface = Interface::find(interface)?;
        let front: &[u8; FRONT] = frame.first_chunk().ok_or_else(short)?;
        let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(|error| refused_maps(&error))?;
        let missing = || AttachError::Kernel("the object lacks its program".to_owned());
        let map = ebpf.map_mut("FRAME").ok_or_else(missing)?;
        let mut fronts: Array<_, [u8; FRONT]> = map.try_into().map_err(|_| missing())?;
        let written = fronts.set(0, front, 0);
        written.map_err(|error| AttachError::Kernel(one_line(&error)))?;
        let program: &mut Xdp =
            ebpf.program_mut(PROGRAM).ok_or_else(missing)?.try_into().map_err(|_| missing())?;
        program.load().map_err(|error| AttachError::Kernel(one_line(&error)))?;

        Ok(Self { ebpf, frame: frame.to_vec(), context: context(interface.index, frame) })
    }

    /// Sends the frame so many times; what the far end's queue has no room for is lost.
    ///
    /// # Errors
    /// What the kernel says: EINVAL if the interface runs no XDP program in driver mode.
    pub fn send(&self, count: u32) -> io::Result<()> {
        let program = self.ebpf.program(PROGRAM).map(<&Xdp>::try_from);
        let Some(Ok(program)) = program else { return Err(io::ErrorKind::NotFound.into()) };
        let mut options = TestRunOptions::new();
        options.data_in = Some(&self.frame);
        options.ctx_in = Some(&self.context);
        options.repeat = count;
        options.attrs = TestRunAttrs::new().xdp_live_frames(BATCH.min(count));

        program.test_run(options).map(drop).map_err(io::Error::other)
    }
}
