//! Big-endian numbers in byte slices, read and written without panics.

/// The two bytes at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The three bytes at `at`.
pub(crate) fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = *bytes.get(at..)?.first_chunk()?;

    Some(u32::from_be_bytes([0, a, b, c]))
}

/// The four bytes at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The eight bytes at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Appends to a caller's buffer. What does not fit is not written, and spoils the whole.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    buffer: &'a mut [u8],
    len: usize,
    whole: bool,
}

impl<'a> Sink<'a> {
    /// Starts at the front of `buffer`.
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0, whole: true }
    }

    /// Appends bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(room) if self.whole => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.whole = false,
        }
    }

    /// Appends zeros until the length is a multiple of four.
    pub(crate) fn pad(&mut self) {
        let missing = self.len.next_multiple_of(4) - self.len;
        self.put(&[0; 3][..missing]);
    }

    /// Overwrites bytes that were appended before.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        let written = &mut self.buffer[..self.len];
        if let Some(room) = written.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Declares the whole spoilt.
    pub(crate) fn spoil(&mut self) {
        self.whole = false;
    }

    /// Forgets what was appended after `len`, and that it did not fit.
    pub(crate) fn rewind(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.whole = true;
    }

    /// Whether everything fitted.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Bytes written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that still fit.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len() - self.len
    }

    /// What was written.
    pub(crate) fn written(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Bytes written, if everything fitted.
    pub(crate) fn finish(&self) -> Option<usize> {
        self.whole.then_some(self.len)
    }
}
