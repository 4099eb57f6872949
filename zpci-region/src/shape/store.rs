//! Rules about one store.

use crate::access::{Instruction, PAGE, Store};
use crate::judgement::{Judgement, Refusal};
use crate::rule::{Observer, Rule, Severity};

use super::empty::empty;
use super::run::{Run, same_page};
use super::{BarRole, BarShape, ShapeChecker, ShapeConfig, outside_failure};

impl ShapeChecker {
    /// Judges a store before it is carried out.
    ///
    /// `observer` receives every broken rule. If this store ends a run of pieces, the run is reported first.
    ///
    /// # Errors
    /// A rule rejects the store: it must have no effect.
    pub fn store(&mut self, store: &Store<'_>, observer: &mut dyn Observer) -> Result<(), Refusal> {
        let Store {
            path,
            instruction,
            pcias,
            offset,
            data,
            ..
        } = *store;
        let len = data.len();
        if len == 0 {
            self.settle(observer);
            return Err(empty("store", pcias, offset));
        }
        let bar = self.bar(pcias, offset, len);
        let piece = self.track(store, bar, observer);
        let config = &self.config;
        let mut judgement = Judgement::new(&config.rules, observer, store);
        let Some(bar) = bar else {
            let failure = outside_failure(path);
            judgement.broken_with(Rule::OutsideBar, failure, || {
                self.outside(pcias, offset, len)
            });
            return judgement.verdict();
        };
        if bar.role == BarRole::Other {
            return Ok(());
        }
        if len > usize::from(config.maxstbl) {
            judgement.broken(Rule::LengthOverMax, || {
                format!(
                    "store of {len} bytes at offset {offset:#x} of BAR {pcias}: expected at most {}",
                    config.maxstbl
                )
            });
            return judgement.verdict();
        }
        if instruction == Instruction::Pcistg {
            register(store, bar, &mut judgement);
            return judgement.verdict();
        }
        strict(config, store, &mut judgement);
        page(store, &mut judgement);
        legacy(config, store, bar, &mut judgement);
        source(store, &mut judgement);
        if let Some(run) = piece
            && run.severity(&config.rules) == Severity::Reject
        {
            judgement.refuse(Rule::SplitBlockStore, || run.describe());
        }
        judgement.verdict()
    }

    /// Adds the store to the run, or ends the run and perhaps starts another. Returns the run if the store is
    /// its second or a later piece.
    fn track(
        &mut self,
        store: &Store<'_>,
        bar: Option<BarShape>,
        observer: &mut dyn Observer,
    ) -> Option<Run> {
        let watched = bar.is_some_and(|bar| bar.role != BarRole::Other)
            && self.config.rules.severity(Rule::SplitBlockStore) != Severity::Off
            && store.data.len() <= usize::from(self.config.maxstbl);
        if watched && let Some(run) = self.run {
            self.run = run.continued(store, self.config.maxstbl);
            if self.run.is_some() {
                return self.run;
            }
            self.run = Some(run);
        }
        self.settle(observer);
        if watched {
            self.run = Run::start(store);
        }
        None
    }
}

/// Judges a PCISTG. The parser of requests has checked that its bytes lie in one doubleword.
fn register(store: &Store<'_>, bar: BarShape, judgement: &mut Judgement<'_>) {
    let Store {
        pcias,
        offset,
        data,
        ..
    } = *store;
    let (rule, expected) = match bar.role {
        BarRole::Data => (Rule::PcistgToDataBar, "PCISTB, the only store there"),
        BarRole::Command | BarRole::Other => (Rule::PlainStore, "a block store"),
    };
    judgement.broken(rule, || {
        format!(
            "PCISTG of {} bytes at offset {offset:#x} of BAR {pcias}: expected {expected}",
            data.len()
        )
    });
}

/// Judges length and alignment on a function without the relaxed bit.
fn strict(config: &ShapeConfig, store: &Store<'_>, judgement: &mut Judgement<'_>) {
    let Store {
        pcias,
        offset,
        data,
        gaddr,
        ..
    } = *store;
    if config.relaxed {
        return;
    }
    if !data.len().is_multiple_of(8) {
        judgement.broken(Rule::StrictLength, || {
            format!(
                "store of {} bytes at offset {offset:#x} of BAR {pcias}: expected a multiple of 8, as the function is not relaxed",
                data.len()
            )
        });
    }
    let source = gaddr.is_some_and(|gaddr| !gaddr.is_multiple_of(8));
    if source || !offset.is_multiple_of(8) {
        judgement.broken(Rule::StrictAlignment, || {
            let from = gaddr.map(|gaddr| format!(" from gaddr {gaddr:#x}")).unwrap_or_default();
            format!(
                "store of {} bytes at offset {offset:#x} of BAR {pcias}{from}: expected multiples of 8, as the function is not relaxed",
                data.len()
            )
        });
    }
}

/// Judges the 4 KiB page of the destination.
fn page(store: &Store<'_>, judgement: &mut Judgement<'_>) {
    let Store {
        pcias,
        offset,
        data,
        ..
    } = *store;
    if !same_page(offset, data.len()) {
        judgement.broken(Rule::Crosses4k, || {
            format!(
                "store of {} bytes at offset {offset:#x} of BAR {pcias}: expected at most {} bytes, up to the end of the 4 KiB page",
                data.len(),
                PAGE - offset % PAGE
            )
        });
    }
}

/// Judges the way of storing.
fn legacy(config: &ShapeConfig, store: &Store<'_>, bar: BarShape, judgement: &mut Judgement<'_>) {
    let Store {
        path,
        pcias,
        offset,
        data,
        ..
    } = *store;
    if !path.is_bar() {
        return;
    }
    let len = data.len();
    let block = bar.role == BarRole::Data && config.relaxed && config.contracts.bar;
    if matches!(len, 1 | 2 | 4) && !block {
        judgement.broken(Rule::PlainStore, || {
            format!("plain store of {len} bytes at offset {offset:#x} of BAR {pcias}: expected a block store")
        });
    }
    if config.contracts.region && !config.contracts.bar {
        judgement.broken(Rule::NotLegacyPath, || {
            format!("BAR write of {len} bytes at offset {offset:#x} of BAR {pcias}: expected a request through the zPCI I/O region")
        });
    }
}

/// Judges the caller's buffer, if the bytes came through it.
fn source(store: &Store<'_>, judgement: &mut Judgement<'_>) {
    if let Some(gaddr) = store.gaddr {
        buffer("store", gaddr, store.data.len(), judgement);
    }
}

/// Judges a buffer of `bytes` bytes at `gaddr`, for a load or store.
pub(super) fn buffer(what: &str, gaddr: u64, bytes: usize, judgement: &mut Judgement<'_>) {
    if !gaddr.is_multiple_of(8) {
        judgement.broken(Rule::GaddrMisaligned, || {
            format!("{what} with its {bytes} bytes at gaddr {gaddr:#x}: expected a multiple of 8")
        });
    }
    if !same_page(gaddr, bytes) {
        judgement.broken(Rule::GaddrCrossesPage, || {
            format!(
                "{what} with its {bytes} bytes at gaddr {gaddr:#x}: expected them in one 4 KiB page"
            )
        });
    }
}
