//! Sends frames over and over from within the kernel, for measurements: no socket, no copy, as fast
//! as the far end's driver takes them.

use crate::AttachError;
use crate::attach::{check_capabilities, one_line, refused_maps};
use crate::interface::Interface;
use crate::test_run::context;
use aya::maps::{Array, Map, MapError};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use std::io;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../object/inject.o");

const PROGRAM: &str = "inject";

/// Bytes in which frames may differ.
const FRONT: usize = 80;

/// The loopback interface of every namespace.
const LOOPBACK: u32 = 1;

/// Frames that are made and sent at once.
const BATCH: u32 = 64;

/// Sends frames out of an interface.
pub struct Injector {
    ebpf: Ebpf,
    frame: Vec<u8>,
    context: Vec<u8>,
}

impl Injector {
    /// Frames of 80 to 3,500 bytes, Ethernet header first, which differ in their first 80 bytes at
    /// most and are sent in turn, for an interface of this name that runs an XDP program in driver
    /// mode.
    ///
    /// # Errors
    /// Says in one line what is in the way.
    pub fn new(interface: &str, frames: &[Vec<u8>]) -> Result<Self, AttachError> {
        check_capabilities()?;
        let wrong = |what: &str| AttachError::Kernel(format!("frames {what}"));
        let interface = Interface::find(interface)?;
        let frame = frames.first().ok_or_else(|| wrong("are none"))?;
        if frames.iter().any(|other| other.get(FRONT..) != frame.get(FRONT..)) {
            return Err(wrong("differ behind their first 80 bytes"));
        }
        let count = frames.len() as u32;
        let mut ebpf = load(count)?;
        let mut fronts: Array<_, [u8; FRONT]> = map(&mut ebpf, "FRAMES")?;
        for (index, frame) in (0..).zip(frames) {
            let front = frame.first_chunk().ok_or_else(|| wrong("have at least 80 bytes"))?;
            fronts.set(index, front, 0).map_err(|error| refused(&error))?;
        }
        let mut turn: Array<_, [u32; 2]> = map(&mut ebpf, "TURN")?;
        turn.set(0, [0, count], 0).map_err(|error| refused(&error))?;
        let inject = program(&mut ebpf, PROGRAM)?;
        inject.load().map_err(|error| AttachError::Kernel(one_line(&error)))?;
        // The kernel takes 30 ms to get to know a program that stands nowhere, at each `send`: so
        // it does where loopback has another one.
        let _ = inject.attach_to_if_index(LOOPBACK, XdpMode::Skb);
        let context = context(interface.index, frame);

        Ok(Self { ebpf, frame: frame.clone(), context })
    }

    /// Sends so many; what the far end's queue has no room for is lost.
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

/// The object, with room for so many frames.
pub(crate) fn load(frames: u32) -> Result<Ebpf, AttachError> {
    let mut loader = EbpfLoader::new();
    let loader = loader.map_max_entries("FRAMES", frames);

    loader.load(OBJECT).map_err(|error| refused_maps(&error))
}

/// A map of it, which goes on being its.
pub(crate) fn map<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<T, AttachError>
where
    T: TryFrom<&'a mut Map>,
{
    ebpf.map_mut(name).and_then(|map| map.try_into().ok()).ok_or_else(missing)
}

/// A program of it.
pub(crate) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, AttachError> {
    ebpf.program_mut(name).and_then(|program| program.try_into().ok()).ok_or_else(missing)
}

fn refused(error: &MapError) -> AttachError {
    AttachError::Kernel(one_line(error))
}

fn missing() -> AttachError {
    AttachError::Kernel("the object lacks its programs or maps".to_owned())
}
