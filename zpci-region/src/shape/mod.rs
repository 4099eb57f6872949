//! The rules about the shape of one load or store, and of a run of pieces.
//!
//! One [`ShapeChecker`] watches one function. It judges every access before the device carries it out,
//! reports each broken rule to the [`Observer`], and refuses an access that cannot be carried out or that the
//! profile rejects. It allocates only when it reports.
//!
//! The sources leave two decisions open:
//!
//! - *Strict length.* A function without the relaxed bit accepts multiples of 8 **from 8 on**, because every
//!   ISM command header is a store of exactly 8 bytes. QEMU's interception starts at 16.
//! - *Errno.* Under `reject`, an access gets EIO on every path. An access outside its BAR gets EIO through
//!   the zPCI I/O region, as in the series, and EINVAL as a BAR access. A length of 0 gets EINVAL, because
//!   there is no such instruction; no rule covers it.

mod empty;
mod load;
mod run;
mod store;

use crate::access::Path;
use crate::rule::{Observer, RuleSet};

use run::Run;

/// The ways of storing that a profile accepts. If both are false, the rules accept every path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    /// True if each request through the zPCI I/O region is one PCISTB.
    pub region: bool,
    /// True if each BAR write is one PCISTB.
    pub bar: bool,
}

/// The purpose of a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarRole {
    /// The BAR of the data space, for data moves.
    Data,
    /// The BAR of the command window.
    Command,
    /// A BAR that takes no PCISTB (the MSI-X table). The rules check only its bounds.
    Other,
}

/// Size and purpose of one BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarShape {
    /// Size in bytes.
    pub size: u64,
    /// The purpose of the BAR.
    pub role: BarRole,
}

/// The configuration of the shape rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeConfig {
    /// Maximum store block length in bytes.
    pub maxstbl: u16,
    /// True if PCISTB accepts any length and alignment.
    pub relaxed: bool,
    /// The ways of storing that the rules accept.
    pub contracts: Contracts,
    /// The BARs by number; `None` for one that does not exist or is the upper half of another.
    pub bars: [Option<BarShape>; 6],
    /// The severity of every rule.
    pub rules: RuleSet,
}

/// Judges the loads and stores of one function.
#[derive(Clone, Debug)]
pub struct ShapeChecker {
    config: ShapeConfig,
    run: Option<Run>,
}

impl ShapeChecker {
    /// Creates a checker that has seen no access.
    pub const fn new(config: ShapeConfig) -> Self {
        Self { config, run: None }
    }

    /// Returns the configuration.
    pub const fn config(&self) -> &ShapeConfig {
        &self.config
    }

    /// True if the next store may continue the last one. In that case, [`Self::settle`] is due when nothing
    /// more comes.
    pub const fn has_open_run(&self) -> bool {
        self.run.is_some()
    }

    /// Ends the run of pieces and reports it if it has several pieces. Call it on reset, on disconnect, when
    /// the function has been idle, and at the end.
    pub fn settle(&mut self, observer: &mut dyn Observer) {
        if let Some(run) = self.run.take() {
            run.report(&self.config.rules, observer);
        }
    }

    /// Returns the BAR of an access, if it contains all of the bytes.
    fn bar(&self, pcias: u8, offset: u64, len: usize) -> Option<BarShape> {
        let bar = (*self.config.bars.get(usize::from(pcias))?)?;
        let end = offset.checked_add(u64::try_from(len).ok()?)?;
        (end <= bar.size).then_some(bar)
    }

    /// Describes an access that [`Self::bar`] did not find.
    fn outside(&self, pcias: u8, offset: u64, len: usize) -> String {
        match self.config.bars.get(usize::from(pcias)) {
            Some(Some(bar)) => format!(
                "{len} bytes at offset {offset:#x} of BAR {pcias}: expected bytes inside the {:#x} bytes of the BAR",
                bar.size
            ),
            _ => format!(
                "{len} bytes at offset {offset:#x} of BAR {pcias}: expected a BAR that exists"
            ),
        }
    }
}

/// The kind of error for an access outside its BAR.
const fn outside_failure(path: Path) -> crate::access::Failure {
    match path {
        Path::Region => crate::access::Failure::Io,
        Path::Bar | Path::BarMulti => crate::access::Failure::Invalid,
    }
}

#[cfg(test)]
mod tests;
