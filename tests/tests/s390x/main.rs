//! The project on a big-endian host: its own tests, built for s390x, in QEMU's user emulation and on
//! Debian's kernel in an emulated machine. docs/testing.md tells what is needed, docs/s390x-host.md what
//! is known of such hosts.

mod build;
mod exceptions;
mod machine;
mod outcome;
mod programs;
mod session;
mod source;
mod toolchain;
