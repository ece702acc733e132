//! What a network driver is and does, by the ioctl that `ethtool` makes.

use std::ffi::CStr;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_DRIVER: u32 = 0x03;
const GET_STRINGS: u32 = 0x1b;
const GET_SET_LEN: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
/// The set of strings that names features.
const FEATURES: u32 = 4;

/// Bytes of a name, and of the driver's name.
const NAME_LEN: usize = 32;
/// Features that a driver may have: more are not read.
const FEATURES_MAX: usize = 256;
/// Bytes of `struct ethtool_drvinfo`.
const DRIVER_LEN: usize = 196;

/// One interface, to be asked.
pub(super) struct Ethtool {
    socket: UdpSocket,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Ethtool {
    /// Any socket will do to ask by.
    pub(super) fn new(interface: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        if interface.len() >= name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }

        Ok(Self { socket: UdpSocket::bind("127.0.0.1:0")?, name })
    }

    /// The driver's name.
    pub(super) fn driver(&self) -> io::Result<String> {
        let mut info = vec![0; DRIVER_LEN];
        info[..4].copy_from_slice(&GET_DRIVER.to_ne_bytes());
        self.ask(&mut info)?;

        Ok(text(&info[4..4 + NAME_LEN]))
    }

    /// The names of the features that are on.
    pub(super) fn features(&self) -> io::Result<Vec<String>> {
        // Header, a mask of one set, its length.
        let mut len = words(&[GET_SET_LEN, 0, 1 << FEATURES, 0, 0]);
        self.ask(&mut len)?;
        let count = (number(&len, 16) as usize).min(FEATURES_MAX);
        let mut names = words(&[GET_STRINGS, FEATURES, count as u32]);
        names.resize(names.len() + count * NAME_LEN, 0);
        self.ask(&mut names)?;
        // A block has four words: available, requested, active, never changed.
        let blocks = count.div_ceil(32);
        let mut states = words(&[GET_FEATURES, blocks as u32]);
        states.resize(states.len() + blocks * 16, 0);
        self.ask(&mut states)?;
        let is_on = |at: usize| number(&states, 8 + at / 32 * 16 + 8) >> (at % 32) & 1 != 0;

        Ok((0..count)
            .filter(|at| is_on(*at))
            .map(|at| text(&names[12 + at * NAME_LEN..12 + (at + 1) * NAME_LEN]))
            .collect())
    }

    fn ask(&self, data: &mut [u8]) -> io::Result<()> {
        // SAFETY: zeros are valid for a structure of plain numbers.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
        // SAFETY: the kernel writes no more than the command's structure, for which `data` is long
        // enough: lengths within it are what the caller made room for.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL as _, &mut request) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());

    four.map_or(0, |four| u32::from_ne_bytes(*four))
}

fn text(bytes: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(bytes).map(CStr::to_bytes).unwrap_or(bytes);

    String::from_utf8_lossy(text).into_owned()
}
