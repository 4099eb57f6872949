//! The parts of a lab guest: a kernel, its modules (also ism and smc), busybox, and the guest tool.
//!
//! Debian's kernels come without ism. [`Kit::prepare`] builds it, and smc with it, from Debian's
//! source of the same kernel, once, into the cache:
//!
//! - `choice`: which kernel;
//! - `recipe`: from packages to a finished entry of the cache; `target`: the modules it builds;
//!   `kept`: what stays of it;
//! - `modules`: which modules a guest loads, in which order;
//! - `tool`: the program that runs in the guest;
//! - `debug`: a kernel that is built here, with the kernel's checks; `options`: what it cannot do without;
//! - `plant`: a module with planted faults, for tests.
//!
//! Non-goal: booting it; that is the rest of the crate.

mod choice;
mod debug;
mod error;
mod folder;
mod hash;
mod kept;
mod module;
mod modules;
mod options;
mod plant;
mod planted;
mod recipe;
mod target;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{Cache, Entry, Initramfs, Part, Series, Source};

pub use choice::{KernelChoice, OwnKernel};
pub use error::KitError;
pub use module::Module;
pub use planted::plant;

/// Folder of the modules in an initramfs. It also has an order file for each [`Smc`].
const GUEST_MODULES: &str = "lib/lab";
/// Path of the guest tool in an initramfs.
const GUEST_TOOL: &str = "bin/smcd-tool";

/// The build of smc that a guest loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smc {
    /// With Debian's configuration and ISM. SMC-D uses only ISM functions.
    Plain,
    /// Also with loopback-ism (CONFIG_SMC_LO), the kernel's own software ISM. The kernel prefers it within
    /// one guest.
    Loopback,
}

impl Smc {
    /// The file in the guest that lists the modules to load: one path on each line, in order.
    pub fn order_file(self) -> &'static str {
        match self {
            Self::Plain => "/lib/lab/order",
            Self::Loopback => "/lib/lab/order.loopback",
        }
    }
}

/// Makes sure that the cache has the kit of `choice`. Describes it.
///
/// # Errors
/// As [`Kit::prepare`].
pub fn part(cache: &Cache, choice: &KernelChoice) -> Result<Part, KitError> {
    let kit = Kit::prepare(cache, choice)?;
    let alone = kit.loopback.iter().filter(|m| !kit.plain.contains(m));
    let modules = kit.plain.iter().chain(alone);
    let built = modules.filter(|m| kept::REPLACED.contains(&m.name()));
    let mut files: Vec<PathBuf> = built.map(|m| m.file().to_owned()).collect();
    files.splice(..0, [kit.kernel, kit.busybox, kit.tool]);
    Ok(Part {
        title: format!("Linux {} for the lab", kit.release),
        files,
        source: kit.source,
    })
}

/// Whether `entry` of the cache is a bootable kernel, as this version builds them.
pub fn is_kernel(entry: &Entry) -> bool {
    recipe::is_kernel(entry)
}

/// Whether the cache has the debug kernel of `series` ([`KernelChoice::Debug`]). Does not use the network.
pub fn has_debug(cache: &Cache, series: Option<Series>) -> bool {
    debug::is_there(cache, series)
}

/// The parts of a guest, ready to boot.
#[derive(Clone, Debug)]
pub struct Kit {
    kernel: PathBuf,
    release: String,
    initrd: Option<PathBuf>,
    plain: Vec<Module>,
    loopback: Vec<Module>,
    busybox: PathBuf,
    tool: PathBuf,
    source: Source,
}

impl Kit {
    /// The parts for `choice`, from the cache, or fetched and built now. A build takes minutes, with progress
    /// messages on standard error.
    ///
    /// # Errors
    /// When packages cannot be fetched, the compiler fails, or a file of the user's own kernel is missing.
    pub fn prepare(cache: &Cache, choice: &KernelChoice) -> Result<Self, KitError> {
        match choice {
            KernelChoice::Debian(series) => Self::of_series(cache, *series),
            KernelChoice::Debug(series) => {
                let entry = debug::entry(cache, *series)?;
                let tool = tool::find(cache, &entry)?;
                Self::open(&entry, tool)
            }
            KernelChoice::Own(own) => {
                // The user's kernel also gets Debian's busybox and our tool.
                let base = Self::of_series(cache, Series::LINUX_6_12)?;
                Self::of_own(base, own)
            }
        }
    }

    fn of_series(cache: &Cache, series: Series) -> Result<Self, KitError> {
        let entry = recipe::entry(cache, series)?;
        let tool = tool::find(cache, &entry)?;
        Self::open(&entry, tool)
    }

    fn open(entry: &Entry, tool: PathBuf) -> Result<Self, KitError> {
        let root = entry.root();
        let text = |name: &str| {
            let text = folder::read(&root.join(name))?;
            Ok::<_, KitError>(text.trim().to_owned())
        };
        let modules = |name: &str| {
            let lines = text(name)?;
            Ok::<_, KitError>(
                lines
                    .lines()
                    .map(|line| Module::at(&root.join(line)))
                    .collect(),
            )
        };
        Ok(Self {
            kernel: root.join(kept::KERNEL),
            release: text(kept::RELEASE)?,
            initrd: None,
            plain: modules(kept::ORDER)?,
            loopback: modules(kept::ORDER_LOOPBACK)?,
            busybox: root.join(kept::BUSYBOX),
            tool,
            source: Source::of(entry),
        })
    }

    fn of_own(base: Self, own: &OwnKernel) -> Result<Self, KitError> {
        own.check()?;
        let release = own.kernel.file_name().unwrap_or_default();
        let found = match &own.modules {
            Some(folder) => modules::of_folder(folder)?,
            None => Vec::new(),
        };
        Ok(Self {
            kernel: own.kernel.clone(),
            release: release.to_string_lossy().into_owned(),
            initrd: own.initrd.clone(),
            plain: found,
            loopback: Vec::new(),
            ..base
        })
    }

    /// The kernel image, for QEMU's `-kernel`.
    pub fn kernel(&self) -> &Path {
        &self.kernel
    }

    /// The kernel's release, as in `uname -r`. For the user's own kernel, its file name.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The modules that a guest loads, in this order. Empty for [`Smc::Loopback`] if this kernel has no such
    /// build. Debian's later kernels have no smc: see [`Kit::has_smc`].
    pub fn modules(&self, smc: Smc) -> &[Module] {
        match smc {
            Smc::Plain => &self.plain,
            Smc::Loopback => &self.loopback,
        }
    }

    /// Whether smc is among the modules. Debian configures Linux 7 without SMC, which cannot be added as a
    /// module. The user's own kernel may have it built in.
    pub fn has_smc(&self) -> bool {
        self.plain.iter().any(|module| module.name() == "smc")
    }

    /// The static busybox for s390x.
    pub fn busybox(&self) -> &Path {
        &self.busybox
    }

    /// The guest tool, a static program for s390x (`lab/guest/README.md`).
    pub fn tool(&self) -> &Path {
        &self.tool
    }

    /// Writes an initramfs to `path`: busybox, `/bin/smcd-tool`, the modules in `/lib/lab` with
    /// [`Smc::order_file`], and the files from `add`, at least an `init`. The user's own initrd comes first,
    /// so that our files replace its files.
    ///
    /// # Errors
    /// When a part cannot be read or the file cannot be written.
    pub fn initramfs(
        &self,
        path: &Path,
        add: impl FnOnce(Initramfs) -> Initramfs,
    ) -> Result<(), KitError> {
        let tool = fs::read(&self.tool).map_err(KitError::io("read", &self.tool))?;
        let mut made = Initramfs::new(&self.busybox)?.file(GUEST_TOOL, 0o755, tool);
        for (smc, folder) in [(Smc::Plain, "plain"), (Smc::Loopback, "loopback")] {
            let mut order = String::new();
            for module in self.modules(smc) {
                // Modules of both builds are written once.
                let shared = self.plain.contains(module);
                let folder = if shared { "plain" } else { folder };
                let place = format!("{GUEST_MODULES}/{folder}/{}.ko", module.name());
                order.push_str(&format!("/{place}\n"));
                if smc == Smc::Plain || !shared {
                    made = made.file(&place, 0o644, module.read()?);
                }
            }
            made = made.file(smc.order_file(), 0o644, order);
        }
        let ours = add(made).bytes()?;
        let mut whole = match &self.initrd {
            Some(own) => fs::read(own).map_err(KitError::io("read", own))?,
            None => Vec::new(),
        };
        // The kernel expects the next archive at a multiple of 4 bytes.
        whole.resize(whole.len().next_multiple_of(4), 0);
        whole.extend_from_slice(&ours);
        folder::write(path, whole)
    }
}

#[cfg(test)]
mod tests;
