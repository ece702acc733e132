//! A file of a media log: direct I/O where the file system has it, else through the page cache.

use glommio::io::{BufferedFile, DmaFile, OpenOptions};
use std::io;
use std::path::Path;

/// Disk space that is asked for at once, so that a write seldom changes the file's size on disk.
const ALLOCATE_BYTES: u64 = 16 << 20;

enum Kind {
    Direct(DmaFile),
    Buffered(BufferedFile),
}

/// An open file.
pub(super) struct File {
    kind: Kind,
    /// Bytes written.
    len: u64,
    allocated: u64,
}

impl File {
    /// Makes a file, which must not be there.
    pub(super) async fn create(path: &Path) -> io::Result<Self> {
        let direct = OpenOptions::new().create_new(true).write(true).dma_open(path).await;
        let kind = match direct.map_err(io::Error::from) {
            Ok(file) => Kind::Direct(file),
            // The file is there by now; its file system has no direct I/O.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tracing::warn!(
                    path = %path.display(),
                    "no direct I/O on this file system: recordings go through the page cache"
                );
                let mut options = OpenOptions::new();
                Kind::Buffered(options.create(true).write(true).buffered_open(path).await?)
            }
            Err(error) => return Err(error),
        };

        Ok(Self { kind, len: 0, allocated: 0 })
    }

    /// Bytes written.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a block: whole, or not at all.
    pub(super) async fn append(&mut self, block: &[u8]) -> io::Result<()> {
        if self.len + block.len() as u64 > self.allocated {
            // Only a help: whether there is room is for the write to say.
            let _ = self.allocate(self.allocated + ALLOCATE_BYTES).await;
            self.allocated += ALLOCATE_BYTES;
        }
        let written = match &self.kind {
            Kind::Direct(file) => {
                let mut buffer = file.alloc_dma_buffer(block.len());
                buffer.as_bytes_mut()[..block.len()].copy_from_slice(block);
                file.write_at(buffer, self.len).await?
            }
            Kind::Buffered(file) => file.write_at(block.to_vec(), self.len).await?,
        };
        if written < block.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.len += block.len() as u64;

        Ok(())
    }

    /// Brings what was written to the disk.
    pub(super) async fn sync(&self) -> io::Result<()> {
        match &self.kind {
            Kind::Direct(file) => file.fdatasync().await?,
            Kind::Buffered(file) => file.fdatasync().await?,
        }

        Ok(())
    }

    /// Brings it to the disk, gives back what was allocated and not written, and closes it.
    pub(super) async fn close(self) -> io::Result<()> {
        // A refused write may have left a part of itself.
        let truncated = match &self.kind {
            Kind::Direct(file) => file.truncate(self.len).await,
            Kind::Buffered(file) => file.truncate(self.len).await,
        };
        let synced = self.sync().await;
        match self.kind {
            Kind::Direct(file) => file.close().await?,
            Kind::Buffered(file) => file.close().await?,
        }
        truncated?;

        synced
    }

    async fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.kind {
            Kind::Direct(file) => file.pre_allocate(len, true).await?,
            Kind::Buffered(file) => file.pre_allocate(len, true).await?,
        }

        Ok(())
    }
}
