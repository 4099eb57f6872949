//! Tests the project on a big-endian host: runs its own tests, built for s390x, in QEMU's user emulation and
//! on Debian's kernel in an emulated machine. docs/testing.md describes the requirements, docs/s390x-host.md
//! the results on such hosts.

mod build;
mod exceptions;
mod machine;
mod outcome;
mod programs;
mod session;
mod toolchain;
