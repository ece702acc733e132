//! The dataplane's driver: an executor, a ring and sockets per core.
