//! Parts of arrays, taken as a whole: byte by byte they would be so many instructions.

/// The `M` bytes at a constant offset, which must be within.
#[inline(always)]
pub(crate) fn part<const N: usize, const M: usize>(bytes: &[u8; N], at: usize) -> [u8; M] {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(part) => *part,
        None => {
            debug_assert!(false, "{at} + {M} > {N}");
            [0; M]
        }
    }
}
