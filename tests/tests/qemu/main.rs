//! Unmodified QEMU as the client of the server.

mod recordings;
mod s390x;
mod x86;
