//! Makes a cache entry with a kernel from Debian's source. It has lockdep, KASAN, kmemleak and more, with ism
//! and smc built in.

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{
    BUSYBOX, Cache, Closure, Entry, For, GUEST_ARCH, Kernel, Parts, Series, Steps, Wanted,
    Workshop, compiler_packages, host_compiler, make_startable, native_arch, untar,
};

use super::error::KitError;
use super::folder::{copy, create, read, write};
use super::hash::hash;
use super::target::TRIPLET;
use super::{kept, options, plant, recipe, tool};

/// The options that are laid over `allnoconfig`.
pub(super) const FRAGMENT: &str = include_str!("../../kernel/debug.config");
/// The series to try, best first.
const KNOWN: [Series; 2] = [Series::LINUX_7_2, Series::LINUX_6_12];
/// Name of the entry. If a series is chosen, it follows the name.
const ENTRY: &str = "lab-debug";
/// Increment it if the same source now gives another kernel.
const RECIPE: u32 = 1;
/// The programs that build a kernel, besides the compiler for the guests.
const TOOLS: [&str; 7] = [
    "make",
    "gcc",
    "libc6-dev",
    "flex",
    "bison",
    "bc",
    "perl-base",
];
/// The variable with the number of compilers that run at once. The default is one for each processor.
const JOBS: &str = "VFIO_USER_ISM_JOBS";
/// Folders of the source that need only the files for configuring and describing a build.
const LEFT_OUT: [&str; 9] = [
    "Documentation",
    "drivers/gpu",
    "drivers/media",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/staging",
    "sound",
    "tools/perf",
    "tools/testing",
];
/// Path of the image below the folder of a build.
const IMAGE: &str = "arch/s390/boot/bzImage";
/// Path of the kernel's configuration in the entry.
const CONFIG: &str = "config";

/// The entry of `series`, or of the best series that Debian has. It is from the cache or built now.
pub(super) fn entry(cache: &Cache, series: Option<Series>) -> Result<Entry, KitError> {
    let name = name(series);
    let wanted = series.map_or(KNOWN.to_vec(), |series| vec![series]);
    cache.built(&name, &key(), For::Lab, |workshop| {
        recipe::check_place(workshop.folder())?;
        let logs = cache.folder().join("logs");
        workshop.with_kernel(&wanted, |kernel| build(workshop, kernel, &logs, &name))
    })
}

/// Whether the cache has the kernel of `series` as this version builds it. Does not use the network.
pub(super) fn is_there(cache: &Cache, series: Option<Series>) -> bool {
    cache.have_built(&name(series), &key(), For::Lab).is_some()
}

fn name(series: Option<Series>) -> String {
    series.map_or(ENTRY.to_owned(), |series| format!("{ENTRY}-{series}"))
}

/// The key of the entry. It changes with the configuration.
fn key() -> String {
    let hash = hash([FRAGMENT]);
    format!(
        "recipe {RECIPE}, configuration {hash:016x}, {}",
        plant::key()
    )
}

fn build(workshop: &Workshop, kernel: &Kernel, logs: &Path, name: &str) -> Result<(), KitError> {
    let place = |name: &str| workshop.folder().join(name);
    let (guest, tools, build) = (place("guest"), place("tools"), place("build"));
    let arch = native_arch()?;
    let source = kernel.source()?;
    let gcc = workshop.with_compiler(arch, |suite, gcc| {
        // The source may be missing, so it comes first. The hundred packages of the compilers come later.
        let shelf = workshop.shelf(kernel.suite(), GUEST_ARCH)?;
        let wanted = [kernel.wanted(&source), Wanted::any(BUSYBOX)];
        shelf.unpack(&wanted, Closure::Named, &guest)?;
        let mut wanted = compiler_packages(gcc);
        wanted.extend(TOOLS.map(Wanted::any));
        let shelf = workshop.shelf(suite, arch)?;
        shelf.unpack(&wanted, Closure::Full, &tools)?;
        Ok::<_, KitError>(gcc.to_owned())
    })?;
    make_startable(&tools)?;
    let programs = place("programs");
    create(&programs)?;
    let host = host_compiler(&tools, &programs)?;

    let steps = Steps::new(workshop, Some(tools.join("usr/bin")), logs, name, 5)?;
    steps.begin("unpacking the source");
    let tree = unpack(&guest, &place("source"))?;
    let make = Make {
        steps: &steps,
        tree: &tree,
        build: &build,
        variables: variables(&tools, &host, &gcc),
    };
    steps.begin("configuring the kernel");
    let fragment = place("debug.config");
    write(&fragment, FRAGMENT)?;
    let all = format!("KCONFIG_ALLCONFIG={}", fragment.display());
    make.run("configuring the kernel", &[&all, "allnoconfig"])?;
    let config = read(&build.join(".config"))?;
    let wrong = options::wrong(&config, tree.join("drivers/dibs").is_dir());
    if !wrong.is_empty() {
        return Err(KitError::Options { wrong });
    }
    steps.begin("building the kernel, which takes ten minutes and more");
    make.run("building the kernel", &["bzImage", "modules"])?;

    let root = workshop.root();
    copy(&build.join(IMAGE), &root.join(kept::KERNEL))?;
    copy(&build.join(".config"), &root.join(CONFIG))?;
    copy(&Parts::busybox(&guest)?, &root.join(kept::BUSYBOX))?;
    let release = read(&build.join("include/config/kernel.release"))?;
    write(&root.join(kept::RELEASE), release.trim())?;
    // The guest needs no modules.
    write(&root.join(kept::ORDER), "")?;
    write(&root.join(kept::ORDER_LOOPBACK), "")?;
    steps.begin("building the module with planted faults");
    plant::build(&place("plant"), &root, |words| {
        make.run("building the module with planted faults", words)
    })?;
    steps.begin("building the guest tool");
    tool::compile(&steps, &format!("{TRIPLET}-{gcc}"), &place("tool"), &root)
}

/// Calls of the kernel's make.
struct Make<'a> {
    steps: &'a Steps<'a>,
    tree: &'a Path,
    build: &'a Path,
    /// Variables for every call.
    variables: Vec<String>,
}

impl Make<'_> {
    fn run(&self, what: &str, words: &[&str]) -> Result<(), KitError> {
        let mut arguments = vec![
            format!("-j{}", jobs()),
            "-C".to_owned(),
            self.tree.display().to_string(),
            format!("O={}", self.build.display()),
        ];
        arguments.extend(self.variables.iter().cloned());
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        Ok(self.steps.run(what, "make", arguments)?)
    }
}

/// Number of compilers that run at once.
fn jobs() -> usize {
    let chosen = std::env::var(JOBS).ok().and_then(|text| text.parse().ok());
    let chosen = chosen.filter(|jobs| *jobs > 0);
    chosen.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Variables for make and the programs that it calls. flex and bison would search for their parts in Debian's
/// folders.
fn variables(tools: &Path, host: &Path, gcc: &str) -> Vec<String> {
    let set = |name: &str, path: &Path| format!("{name}={}", path.display());
    let usr = tools.join("usr");
    vec![
        "ARCH=s390".to_owned(),
        format!("CROSS_COMPILE={TRIPLET}-"),
        format!("CC={TRIPLET}-{gcc}"),
        set("HOSTCC", host),
        set("M4", &usr.join("bin/m4")),
        set("BISON_PKGDATADIR", &usr.join("share/bison")),
        "KBUILD_BUILD_USER=lab".to_owned(),
        "KBUILD_BUILD_HOST=lab".to_owned(),
    ]
}

/// Unpacks the kernel's source into `folder` and returns the tree.
fn unpack(guest: &Path, folder: &Path) -> Result<PathBuf, KitError> {
    let (archive, top) = recipe::tarball(guest)?;
    create(folder)?;
    let wanted = |path: &Path| path.strip_prefix(&top).is_ok_and(is_needed);
    untar(&archive, folder, wanted)?;
    fs::remove_file(&archive).map_err(KitError::io("remove", &archive))?;
    Ok(folder.join(top))
}

/// Whether the build needs the file `path` of the tree. Kconfig reads files of every folder.
fn is_needed(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let describes = ["Kconfig", "Kbuild", "Makefile"];
    describes.iter().any(|start| name.starts_with(start))
        || !LEFT_OUT.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_a_build_is_unpacked_of_every_folder() {
        for path in [
            "sound/Kconfig",
            "drivers/gpu/drm/Makefile",
            "net/smc/smc_ism.c",
        ] {
            assert!(is_needed(Path::new(path)), "{path}");
        }
        for path in ["sound/core/pcm.c", "Documentation/conf.py"] {
            assert!(!is_needed(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_chosen_series_has_an_entry_of_its_own() {
        assert_eq!(name(None), "lab-debug");
        assert_eq!(name(Some(Series::LINUX_6_12)), "lab-debug-6.12");
    }
}
