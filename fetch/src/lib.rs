//! Gets QEMU and the parts of a Linux guest from Debian into a cache folder, once.
//!
//! Nothing is installed and no root is needed: apt downloads packages with its own source list and
//! state, `dpkg-deb` unpacks them, and small scripts start the programs through the unpacked
//! dynamic loader. apt checks every byte against Debian's archive keys.
//!
//! - [`Cache`]: where the parts lie ([`Cache::locate`]), and [`Cache::packages`] for any others;
//! - [`Qemu::find`]: the QEMU to run: one that was named, one on `PATH`, or the fetched one;
//! - [`Guest::fetch`]: a kernel and busybox for s390x; [`Initramfs`] makes them bootable;
//! - [`Cache::built`]: something that is built out of packages, kept like them;
//! - [`run()`]: what the `fetch` subcommand calls.
//!
//! Not here: running QEMU, what is built and how, or any package source other than apt's.

#![forbid(unsafe_code)]

mod apt;
mod cache;
mod cpio;
mod entry;
mod error;
mod guest;
mod host;
mod initramfs;
mod mirror;
mod programs;
mod progress;
mod prune;
mod qemu;
mod request;
mod run;
mod size;
mod tool;
mod uri_list;
mod version;
mod workshop;
mod wrapper;

pub use cache::Cache;
pub use entry::{Entry, Package};
pub use error::Error;
pub use guest::Guest;
pub use initramfs::Initramfs;
pub use programs::{make_startable, native_arch};
pub use qemu::{Machine, Origin, Qemu};
pub use request::{Closure, Request};
pub use run::{Part, Source, Summary, What, run};
pub use version::Version;
pub use workshop::{Shelf, Workshop};
