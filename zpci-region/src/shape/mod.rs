//! The rules about the shape of one load or store, and of a run of pieces.
//!
//! One [`ShapeChecker`] watches one function. It judges every access before the device carries it
//! out, tells the [`Observer`] of each broken rule, and refuses what cannot be carried out or what
//! the profile rejects. It allocates only when there is something to tell.
//!
//! Two decisions where the sources leave room:
//!
//! - *Strict length.* A function without the relaxed bit takes multiples of 8 **from 8 on**, since
//!   every ISM command header is a store of exactly 8 bytes; QEMU's interception starts at 16.
//! - *Errno.* Under `reject` an access gets EIO on every path. An access outside its BAR gets EIO
//!   through the zPCI I/O region, as in the series, and EINVAL as a BAR access. A length of 0 gets
//!   EINVAL, because there is no such instruction; no rule names it.

mod empty;
mod load;
mod run;
mod store;

use crate::access::Path;
use crate::rule::{Observer, RuleSet};

use run::Run;

/// The ways of storing that a profile expects of a well-behaved client. With neither, no path is
/// at fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    /// One request through the zPCI I/O region is one PCISTB.
    pub region: bool,
    /// One BAR write is one PCISTB.
    pub bar: bool,
}

/// The purpose of a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarRole {
    /// Data moves.
    Data,
    /// Commands.
    Command,
    /// No target of PCISTB (the MSI-X table): the rules check its bounds only.
    Other,
}

/// One BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarShape {
    /// Size in bytes.
    pub size: u64,
    /// Its purpose.
    pub role: BarRole,
}

/// The configuration of the shape rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeConfig {
    /// Maximum store block length in bytes.
    pub maxstbl: u16,
    /// Whether PCISTB takes any length and alignment.
    pub relaxed: bool,
    /// The well-behaved ways of storing.
    pub contracts: Contracts,
    /// The BARs by number; `None` for one that does not exist (or is the upper half of another).
    pub bars: [Option<BarShape>; 6],
    /// Severities.
    pub rules: RuleSet,
}

/// Judges the loads and stores of one function.
#[derive(Clone, Debug)]
pub struct ShapeChecker {
    config: ShapeConfig,
    run: Option<Run>,
}

impl ShapeChecker {
    /// A checker that has seen nothing yet.
    pub const fn new(config: ShapeConfig) -> Self {
        Self { config, run: None }
    }

    /// The configuration.
    pub const fn config(&self) -> &ShapeConfig {
        &self.config
    }

    /// Whether the next store may still turn out to belong to the last one: [`Self::settle`] is
    /// due when nothing more is to come.
    pub const fn has_open_run(&self) -> bool {
        self.run.is_some()
    }

    /// Ends the run of pieces and reports it if it was one. To be called on reset and disconnect,
    /// when the function has been idle, and at the end.
    pub fn settle(&mut self, observer: &mut dyn Observer) {
        if let Some(run) = self.run.take() {
            run.report(&self.config.rules, observer);
        }
    }

    /// The BAR of an access, if all of its bytes lie in it.
    fn bar(&self, pcias: u8, offset: u64, len: usize) -> Option<BarShape> {
        let bar = (*self.config.bars.get(usize::from(pcias))?)?;
        let end = offset.checked_add(u64::try_from(len).ok()?)?;
        (end <= bar.size).then_some(bar)
    }

    /// The detail for an access that [`Self::bar`] did not find.
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

/// The errno class of an access outside its BAR.
const fn outside_failure(path: Path) -> crate::access::Failure {
    match path {
        Path::Region => crate::access::Failure::Io,
        Path::Bar | Path::BarMulti => crate::access::Failure::Invalid,
    }
}

#[cfg(test)]
mod tests;
