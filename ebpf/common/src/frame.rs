//! An Ethernet frame, of which every access is checked.

/// A frame in the kernel's memory, or in a test's.
///
/// Offsets are constants where these are called: the kernel's verifier follows them only then.
pub trait Frame {
    /// Bytes from the start of the Ethernet header to the end.
    fn len(&self) -> usize;

    /// `N` bytes at an offset, if the frame is that long.
    fn get<const N: usize>(&self, at: usize) -> Option<&[u8; N]>;

    /// The same, to change.
    fn get_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]>;

    /// Takes `bytes` off the front, or adds as many if negative; false if there is no room.
    fn shorten(&mut self, bytes: i32) -> bool;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
