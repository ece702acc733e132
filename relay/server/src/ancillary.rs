//! Ancillary data of received messages, as the kernel writes it (cmsg(3)).

const LEN_BYTES: usize = size_of::<usize>();

/// One piece of ancillary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ancillary<'a> {
    /// Whose it is: `SOL_UDP`, `SOL_IP`, `SOL_IPV6`.
    pub(crate) level: i32,
    /// What it is, by its level.
    pub(crate) kind: i32,
    /// Its data, perhaps with padding behind.
    pub(crate) data: &'a [u8],
}

/// The pieces in a control buffer, in order; what is cut off ends them.
pub(crate) fn pieces(mut control: &[u8]) -> impl Iterator<Item = Ancillary<'_>> {
    std::iter::from_fn(move || {
        let (len, rest) = control.split_first_chunk::<LEN_BYTES>()?;
        let (level, rest) = rest.split_first_chunk::<4>()?;
        let (kind, data) = rest.split_first_chunk::<4>()?;
        let len = usize::from_ne_bytes(*len);
        let data_len = len.checked_sub(size_of::<libc::cmsghdr>())?;
        let piece = Ancillary {
            level: i32::from_ne_bytes(*level),
            kind: i32::from_ne_bytes(*kind),
            data: data.get(..data_len)?,
        };
        let next = len.checked_next_multiple_of(LEN_BYTES)?;
        control = control.get(next..).unwrap_or_default();

        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn garbage_never_panics_and_ends(
            bytes in proptest::collection::vec(any::<u8>(), 0..128),
            len in 0usize..64,
        ) {
            let mut control = len.to_ne_bytes().to_vec();
            control.extend(bytes);
            prop_assert!(pieces(&control).count() <= control.len());
        }
    }
}
