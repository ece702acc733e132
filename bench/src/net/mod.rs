//! Sockets for load: many datagrams by one call, when each came, and waiting for many at once.

pub(crate) mod address;
pub(crate) mod datagrams;
pub(crate) mod pour;
pub(crate) mod sockets;
