//! Tests with unmodified QEMU as the client of the server.

mod plugging;
mod recordings;
mod s390x;
mod x86;
