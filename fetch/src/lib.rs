//! Gets QEMU and the parts of a Linux guest from Debian into a cache folder, once.
//!
//! Nothing is installed, no root is needed, and the machine need not be a Debian one: this crate
//! reads Debian's archive itself, checks its signatures and hashes, unpacks the packages, and
//! writes small scripts that start the programs through the unpacked dynamic loader.
//!
//! - [`Cache`]: the folder ([`Cache::locate`]), and what is in it ([`Cache::entries`]);
//! - [`Qemu::find`]: the QEMU to run: one that was named, one on `PATH`, or the fetched one;
//! - [`Guest::fetch`]: a kernel and busybox for s390x; [`Initramfs`] makes them bootable;
//! - [`Cache::built`]: something that is built out of packages, kept like them, from the first
//!   candidate that works ([`Workshop::with_kernel`], [`Workshop::with_compiler`]);
//! - [`Steps`]: compilers and their like, with a log and progress;
//! - [`FetchArgs`], [`run()`], [`list()`]: the `fetch` subcommand.
//!
//! The module `archive` knows Debian's archive and nothing of what is made of it.
//!
//! Not here: running QEMU, and what is built and how.

#![forbid(unsafe_code)]

mod apt_conf;
mod archive;
mod args;
mod cache;
mod closure;
mod compiler;
mod cpio;
mod entry;
mod error;
mod guest;
mod host;
mod host_compiler;
mod initramfs;
mod kernel;
mod list;
mod mirror;
mod programs;
mod progress;
mod prune;
mod qemu;
mod run;
mod series;
mod size;
mod steps;
mod suites;
mod version;
mod workshop;
mod wrapper;

pub use archive::compression::{read_compressed, untar};
pub use args::{FetchArgs, FetchWhat, Format};
pub use cache::Cache;
pub use closure::Closure;
pub use compiler::compiler_packages;
pub use entry::{Entry, Package};
pub use error::Error;
pub use guest::{Guest, Parts};
pub use host_compiler::{host_compiler, script};
pub use initramfs::Initramfs;
pub use kernel::{BUSYBOX, GUEST_ARCH, Kernel, KernelPackages};
pub use list::{Listing, list};
pub use mirror::mirror;
pub use programs::{keep_qemu, loader_of, make_startable, native_arch, quoted};
pub use qemu::{Machine, Origin, Qemu, check_qemu};
pub use run::{Part, Source, Summary, run};
pub use series::Series;
pub use steps::Steps;
pub use suites::{For, Suites};
pub use version::Version;
pub use workshop::{Fault, Shelf, SourcePackage, Tries, Wanted, Workshop};
