//! What stands in the BPF file system: maps and links that outlive the process.

use crate::AttachError;
use ebpf_common::LAYOUT;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// `BPF_FS_MAGIC` (linux/magic.h).
const BPF_FS: i64 = 0xcafe_4a11;

/// The maps, by the program's names.
pub(crate) const MAPS: [&str; 9] =
    ["FLOWS", "ENTRIES", "COUNTERS", "METERS", "PORTS", "LINKS", "DEVICES", "OUTCOMES", "RECORDS"];

const LINK_PREFIX: &str = "link-";

/// A directory of pins, one for each layout of the maps.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    directory: PathBuf,
}

impl Pins {
    /// Makes the directory, below one on a BPF file system, and removes pins of other layouts.
    pub(crate) fn open(root: &Path) -> Result<Self, AttachError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| AttachError::Pins { path, error }
        };
        let standing = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        if file_system(standing).map_err(failed(standing))? != BPF_FS {
            return Err(AttachError::NoFileSystem { path: root.to_owned() });
        }
        let directory = root.join(format!("v{LAYOUT}"));
        fs::create_dir_all(&directory).map_err(failed(&directory))?;
        for entry in fs::read_dir(root).map_err(failed(root))?.flatten() {
            if entry.path() != directory {
                remove_below(&entry.path(), &mut Vec::new()).map_err(failed(&entry.path()))?;
            }
        }

        Ok(Self { directory })
    }

    /// Where a map is pinned.
    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where an interface's link is pinned.
    pub(crate) fn link(&self, interface: &str) -> PathBuf {
        self.directory.join(format!("{LINK_PREFIX}{interface}"))
    }

    /// The links that are pinned: the interface's name and the file.
    pub(crate) fn links(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let name = |path: &Path| {
            let name = path.file_name()?.to_str()?.strip_prefix(LINK_PREFIX)?;
            Some(name.to_owned())
        };
        let entries = fs::read_dir(&self.directory)?;

        Ok(entries.flatten().filter_map(|e| Some((name(&e.path())?, e.path()))).collect())
    }
}

/// Removes all that is pinned below a directory, and the directory: the kernel relays no more.
///
/// Returns the files that were removed; none if there is no such directory.
///
/// # Errors
/// If a file could not be removed.
pub fn detach_all(pins: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    if pins.exists() {
        remove_below(pins, &mut removed)?;
    }
    removed.sort();

    Ok(removed)
}

/// The magic number of the file system that holds a path.
fn file_system(path: &Path) -> io::Result<i64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: a terminated string, and room for what is written.
    if unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }

    // SAFETY: the call has succeeded and filled it in.
    Ok(unsafe { found.assume_init() }.f_type)
}

fn remove_below(path: &Path, removed: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        fs::remove_file(path)?;
        removed.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        remove_below(&entry?.path(), removed)?;
    }

    fs::remove_dir(path)
}
