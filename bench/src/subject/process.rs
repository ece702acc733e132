//! A server's process: started by us and ended with its value, or somebody else's.

use crate::directory::Directory;
use crate::server::Server;
use anyhow::{Result, bail};
use std::process::Child;

/// Who runs the server.
pub(crate) enum Process {
    /// We run our own.
    Millrace(Box<Server>),
    /// We run somebody else's program, with files in a directory of its own.
    Child {
        /// The process.
        child: Child,
        /// Its files, which end with it.
        _directory: Option<Directory>,
    },
    /// Somebody; its process id if it is on this machine and known.
    Others(Option<u32>),
}

impl Process {
    /// Its process id, if it is on this machine and known.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Millrace(server) => Some(server.pid()),
            Self::Child { child, .. } => Some(child.id()),
            Self::Others(pid) => *pid,
        }
    }

    /// An error that says so if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self {
            Self::Millrace(server) => server.check(),
            Self::Child { child, .. } => match child.try_wait()? {
                Some(status) => bail!("the server ended ({status})"),
                None => Ok(()),
            },
            Self::Others(_) => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Child { child, .. } = self {
            // It may have ended by itself; there is nobody left to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
