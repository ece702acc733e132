//! A server's process: started by us and ended with its value, or somebody else's.

use crate::directory::Directory;
use crate::interrupt;
use crate::log::Log;
use crate::server::Server;
use anyhow::{Result, bail};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Who runs the server.
pub(crate) enum Process {
    /// We run our own.
    Millrace(Box<Server>),
    /// We run another program, with files in a directory of its own.
    Child {
        /// The process.
        child: Child,
        /// What it writes.
        log: Log,
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

    /// An error that says so if it has ended, or if a person ends the run.
    pub(crate) fn check(&mut self) -> Result<()> {
        interrupt::check()?;
        match self {
            Self::Millrace(server) => server.check(),
            Self::Child { child, log, .. } => match child.try_wait()? {
                Some(status) => {
                    bail!("the server ended ({status}); its last lines:\n{}", log.last_lines())
                }
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

/// Lets a command's process end when we do, however we end, and not by the keys that a person
/// interrupts us with: what was measured is to be shown first.
pub(crate) fn leash(command: &mut Command) {
    command.process_group(0);
    // SAFETY: between fork and exec only the system call prctl is made, which allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}
