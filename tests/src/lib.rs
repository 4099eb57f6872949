//! Support for black-box tests of `vfio-user-ism`: a vfio-user client that knows only bytes, guest memory,
//! and the server as a child process.
//!
//! This crate uses none of the server's own crates, because a mistake on both sides would stay hidden. The
//! layouts follow QEMU's `docs/interop/vfio-user.rst` and `include/uapi/linux/vfio.h`.
//!
//! | module | content |
//! |---|---|
//! | [`wire`] | messages as bytes, over a UNIX socket with descriptors |
//! | [`client`] | the requests of the protocol |
//! | [`patience`] | waiting that fails a test instead of hanging it |
//! | [`memory`] | guest RAM in a memfd, eventfds |
//! | [`lender`] | a client that lends memory without a descriptor |
//! | [`driver`] | an ISM driver: commands, buffers, data moves |
//! | [`control`] | a client of the control socket |
//! | [`program`] | the program under test, and runs that end by themselves |
//! | [`daemon`] | the server as a child process |
//! | [`kept_build`] | builds with other flags, kept in the cache folder |
//! | [`browser`] | a page in a browser without a window |
//! | [`debian_archive`] | a Debian archive of dummy packages on loopback, whole or broken |
//! | [`qemu`] | QEMU as a child process, and a Linux guest's console |
//! | [`soak`] | random clients for any length of time, and the server's resources after them |
//! | [`threads`] | threads of one test that wait for each other |
//! | [`qtest`] | an x86 machine without a guest, driven from outside |
//! | [`plug`] | such a machine into which functions are plugged, and pulled out again |
//! | [`relay`] | records a client's messages to the server |
//! | [`ring`] | the ring in shared memory beside an instruction channel |
#![forbid(unsafe_code)]

pub mod browser;
pub mod client;
pub mod control;
pub mod daemon;
#[cfg(feature = "machines")]
pub mod debian_archive;
pub mod driver;
pub mod errno;
#[cfg(feature = "machines")]
pub mod kept_build;
pub mod lender;
pub mod memory;
pub mod patience;
#[cfg(feature = "machines")]
pub mod plug;
pub mod program;
#[cfg(feature = "machines")]
pub mod qemu;
#[cfg(feature = "machines")]
pub mod qtest;
pub mod relay;
pub mod ring;
pub mod soak;
pub mod threads;
pub mod wire;
#[cfg(feature = "machines")]
pub mod zpci;

pub use client::Client;
pub use control::Control;
pub use daemon::Daemon;
pub use driver::{Driver, Via};
pub use memory::{Eventfd, Ram, View};
pub use wire::{Bytes, Message};
