//! Prepares the parts of a lab from the command line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use debian_fetch::{Cache, Machine, Qemu, Series};
use harness::{Accel, Accelerator, Moves, Plugin};
use qemu_zpci::Named;

use crate::args::Args;
use crate::boot;
use crate::error::Error;
use crate::folder::Folder;
use crate::guest::Recipe;
use crate::kit::{self, KernelChoice, Kit, OwnKernel};
use crate::qemu::hands_over_whole;
use crate::say::say;
use crate::variant::Variant;

/// The parts of a lab.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program whose `serve` is the server.
    pub program: PathBuf,
    /// The plugin. Without one, QEMU itself hands over the guest's instructions.
    pub plugin: Option<Plugin>,
    /// Whether the plugin records instructions instead of forwarding them.
    pub observe: bool,
    /// The moves that the plugin posts.
    pub moves: Moves,
    /// Whether plugin and server share a ring in memory.
    pub ring: bool,
    /// Settings of the guests.
    pub recipe: Recipe,
    /// Number of functions of each guest.
    pub functions_per_guest: usize,
    /// Number of functions that a guest has at its start. The others can be plugged later. The default is
    /// all.
    pub plugged: Option<usize>,
    /// Number of functions besides those of the guests.
    pub spare: usize,
    /// The folder of the functions' sockets, instead of the temporary one.
    pub sockets: Option<PathBuf>,
    /// The server's control socket, if there is one.
    pub control: Option<PathBuf>,
    /// A defect of the switch, for tests: it loses all frames after this number.
    pub lose_frames_after: Option<u64>,
    /// Profile of the fabric, instead of the lab's own.
    pub profile: Option<PathBuf>,
    /// The event file, if there is one.
    pub events: Option<PathBuf>,
    /// The capture file, if there is one.
    pub capture: Option<PathBuf>,
    /// A further file for the server's totals.
    pub report: Option<PathBuf>,
    /// Longest time for a guest to boot.
    pub patience: Duration,
    /// Labs with another QEMU or other settings, for comparison.
    pub compared: Vec<(Variant, Setup)>,
}

impl Setup {
    /// Prepares everything that `args` needs: finds plugin and QEMU, takes the guests' parts from the cache
    /// or fetches and builds them, and makes the initramfs in `folder`. `program` is the executable whose
    /// `serve` is the server.
    ///
    /// # Errors
    /// A part is missing, and cannot be fetched or built.
    pub fn prepare(args: &Args, program: &Path, folder: &Folder) -> Result<Self, Error> {
        let choice = kernel(args)?;
        let named = args.plugin.as_deref();
        let named = named
            .map(|path| Plugin::find(Some(path), program))
            .transpose()?;
        let cache = Cache::locate().map_err(Error::NoQemu)?;
        let (first, plugin, accelerator) =
            qemu(args, args.qemu.as_deref(), named, program, &cache)?;
        let mut compared = Vec::new();
        for variant in &args.compare {
            let found = match variant.qemu.as_deref() {
                Some(other) => qemu(args, Some(other), None, program, &cache)?,
                None => (first.clone(), plugin.clone(), accelerator),
            };
            if variant.moves.is_some() && found.1.is_none() {
                let words =
                    format!("--compare {variant}: this QEMU loads no plugin whose moves wait");
                return Err(Error::Usage(words));
            }
            compared.push((variant, found));
        }
        let kit = Kit::prepare(&cache, &choice).map_err(Error::Kit)?;
        let plant = if args.plant {
            kit::plant(&cache, &choice).map_err(Error::Kit)?
        } else {
            None
        };
        let initramfs = folder.passing("initramfs");
        boot::write_initramfs(&kit, plant.as_ref(), &initramfs)?;
        let mut setup = Self {
            program: program.to_owned(),
            plugin,
            observe: args.observe,
            moves: args.moves,
            ring: args.ring,
            recipe: Recipe {
                accelerator,
                qemu: first,
                kernel: kit.kernel().to_owned(),
                initramfs,
                memory: args.memory,
                processors: args.smp,
                guests: args.guest_count(),
                append: append(args),
                extra: args.qemu_arg.clone(),
            },
            functions_per_guest: args.functions_per_guest,
            plugged: None,
            spare: args.spare.max(usize::from(args.bench)),
            sockets: args.sockets.clone(),
            control: args.control.clone(),
            lose_frames_after: args.lose_frames_after,
            profile: args.profile.clone(),
            events: args.events.clone(),
            capture: args.capture.clone(),
            report: args.report.clone(),
            patience: Duration::from_secs(args.timeout),
            compared: Vec::new(),
        };
        let others = compared
            .into_iter()
            .map(|(variant, (qemu, plugin, accelerator))| {
                let mut other = setup.clone();
                other.recipe.qemu = qemu;
                other.recipe.accelerator = accelerator;
                other.recipe.extra.extend(variant.arguments());
                other.moves = variant.moves.unwrap_or(setup.moves);
                // Only the first lab writes these files.
                (other.events, other.capture, other.report) = (None, None, None);
                (other.sockets, other.control) = (None, None);
                (variant.clone(), Self { plugin, ..other })
            });
        setup.compared = others.collect();
        Ok(setup)
    }
}

/// The QEMU for `word`, and its plugin: the one that is `named`, none if this QEMU hands over zPCI accesses
/// itself, or the one beside `program`.
fn qemu(
    args: &Args,
    word: Option<&OsStr>,
    named: Option<Plugin>,
    program: &Path,
    cache: &Cache,
) -> Result<(PathBuf, Option<Plugin>, Accelerator), Error> {
    let mut accelerator = args.accel.choose(plugin_flag(args)).map_err(Error::Accel)?;
    let path = match word.map(Named::of) {
        Some(Named::Path(path)) => Some(path.to_owned()),
        Some(named) => Some(named.program(cache).map_err(Error::NoNamedQemu)?),
        None => None,
    };
    let qemu = Qemu::find(Machine::S390x, path.as_deref(), cache).map_err(Error::NoQemu)?;
    let plugin = match named {
        Some(plugin) => Some(plugin),
        None if !args.observe && hands_over_whole(&qemu.program) => {
            say(format_args!(
                "this QEMU hands over zPCI accesses in one piece itself: no plugin is loaded"
            ));
            None
        }
        None if args.accel == Accel::Kvm => {
            say(format_args!(
                "QEMU loads no plugin under KVM, and this QEMU does not hand over zPCI accesses in one piece. \
                 So the ism driver will not get far. `--qemu zpci` is a QEMU without this fault"
            ));
            None
        }
        None => Some(Plugin::find(None, program)?),
    };
    if plugin.is_some() && accelerator == Accelerator::Kvm {
        say(format_args!(
            "this QEMU does not hand over zPCI accesses in one piece: the lab uses the plugin, without KVM"
        ));
        accelerator = Accelerator::Tcg;
    }
    Ok((qemu.program, plugin, accelerator))
}

/// The flag that needs a plugin in QEMU, if there is one.
fn plugin_flag(args: &Args) -> Option<&'static str> {
    match (args.observe, &args.plugin) {
        (true, _) => Some("--observe"),
        (false, Some(_)) => Some("--plugin"),
        (false, None) => None,
    }
}

/// Text to add to the guests' command line.
fn append(args: &Args) -> Option<String> {
    let vlan = args.vlan.map(|id| format!("lab.vlan={id}"));
    let words: Vec<&str> = [args.append.as_deref(), vlan.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The word for the debug kernel on the command line.
const DEBUG: &str = "debug";

/// The guests' kernel.
fn kernel(args: &Args) -> Result<KernelChoice, Error> {
    let Some(kernel) = &args.kernel else {
        let series = args.kernel_version.unwrap_or(Series::LINUX_6_12);
        return Ok(KernelChoice::Debian(series));
    };
    if kernel == Path::new(DEBUG) {
        if args.initrd.is_some() || args.modules.is_some() {
            let words =
                "--initrd and --modules are for a kernel of your own, not for `--kernel debug`";
            return Err(Error::Usage(words.to_owned()));
        }
        return Ok(KernelChoice::Debug(args.kernel_version));
    }
    if args.kernel_version.is_some() {
        let words = "--kernel-version cannot be used with a kernel of your own";
        return Err(Error::Usage(words.to_owned()));
    }
    boot::check_kernel(kernel)?;
    Ok(KernelChoice::Own(OwnKernel {
        kernel: kernel.clone(),
        initrd: args.initrd.clone(),
        modules: args.modules.clone(),
    }))
}
