// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU crashes or hangs at a chosen instruction.
//!
//! Such a defect simulates a QEMU that a guest can crash: QEMU 10.2.2 follows a null pointer at a PCISTB to a
//! BAR that does not exist.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::report::report;
use records::instruction::{Hex, Operands};

/// Text about these defects for `break=list`.
pub(crate) const HELP: &str = "  \
crash@PLACE   QEMU ends by SIGSEGV before it executes this instruction
  abort@PLACE   QEMU ends by SIGABRT, with a message as of a failed assertion
  hang@PLACE    the vCPU never comes back from this instruction
PLACE is INSTRUCTION[:KEY=VALUE]... (pcistb:space=2:length=8, rpcit:nth=3), or N for the Nth zPCI
instruction. INSTRUCTION is a mnemonic, one with -absent-bar behind (pcistb-absent-bar: a BAR that
does not exist), or any. The keys are space, offset, length, operation and nth (which match, from 1).";

/// Mnemonics that a place may name.
const MNEMONICS: [&str; 12] = [
    "pcistb", "pcistg", "pcilg", "rpcit", "pcistbi", "pcistgi", "pcilgi", "pciwb", "mpcifc",
    "stpcifc", "sic", "clp",
];
/// Suffix of a mnemonic: only with a BAR that does not exist.
const ABSENT_BAR: &str = "-absent-bar";
/// Numbers of BARs that an ISM function does not have.
const ABSENT_BARS: [u8; 3] = [1, 3, 5];

/// The way in which QEMU stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Crash,
    Abort,
    Hang,
}

/// The instruction at which QEMU stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    mnemonic: Option<&'static str>,
    absent_bar: bool,
    space: Option<u64>,
    offset: Option<u64>,
    length: Option<u64>,
    operation: Option<u64>,
}

/// A defect that stops QEMU at a chosen instruction.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    how: How,
    place: Place,
    nth: u64,
    matched: Arc<AtomicU64>,
}

impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        (self.how, &self.place, self.nth) == (other.how, &other.place, other.nth)
    }
}

impl Eq for Stop {}

impl Stop {
    /// Parses `crash@PLACE`, `abort@PLACE` and `hang@PLACE`; `None` if the value has another form.
    pub(crate) fn parse(value: &str) -> Option<Result<Self, String>> {
        let (how, place) = match value.split_once('@') {
            Some((how, place)) => (how, Some(place)),
            None => (value, None),
        };
        let how = match how {
            "crash" => How::Crash,
            "abort" => How::Abort,
            "hang" => How::Hang,
            _ => return None,
        };
        let Some(place) = place else {
            return Some(Err(format!(
                "{value} needs an instruction, for example {value}@pcistb-absent-bar"
            )));
        };
        Some(Self::parse_place(how, place))
    }

    fn parse_place(how: How, text: &str) -> Result<Self, String> {
        let mut stop = Self {
            how,
            place: Place::default(),
            nth: 1,
            matched: Arc::default(),
        };
        let mut parts = text.split(':');
        let instruction = parts.next().unwrap_or_default();
        if let Ok(nth) = instruction.parse() {
            stop.nth = nth;
        } else {
            let (mnemonic, absent_bar) = match instruction.strip_suffix(ABSENT_BAR) {
                Some(mnemonic) => (mnemonic, true),
                None => (instruction, false),
            };
            let known = MNEMONICS.into_iter().find(|known| *known == mnemonic);
            if known.is_none() && mnemonic != "any" {
                return Err(format!(
                    "{mnemonic:?} is no zPCI instruction; known: any, {}",
                    MNEMONICS.join(", ")
                ));
            }
            stop.place.mnemonic = known;
            stop.place.absent_bar = absent_bar;
        }
        for part in parts {
            let place = &mut stop.place;
            let number = |value: &str| match value.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => value.parse().ok(),
            };
            let wrong = || format!("{part:?}: expected KEY=NUMBER");
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            let value = number(value).ok_or_else(wrong)?;
            match key {
                "space" => place.space = Some(value),
                "offset" => place.offset = Some(value),
                "length" => place.length = Some(value),
                "operation" => place.operation = Some(value),
                "nth" => stop.nth = value,
                _ => {
                    return Err(format!(
                        "{key:?} is no key; known: space, offset, length, operation, nth"
                    ));
                }
            }
        }
        if stop.nth == 0 {
            return Err("instructions are counted from 1".to_owned());
        }
        Ok(stop)
    }

    /// Counts an instruction that is about to execute. Does not return if QEMU must stop there.
    pub(crate) fn reached(&self, mnemonic: &str, operands: &Operands) {
        if self.is_due(mnemonic, operands) {
            self.stop(mnemonic);
        }
    }

    fn is_due(&self, mnemonic: &str, operands: &Operands) -> bool {
        self.place.holds(mnemonic, operands)
            && self.matched.fetch_add(1, Ordering::Relaxed) + 1 == self.nth
    }

    fn stop(&self, mnemonic: &str) -> ! {
        match self.how {
            How::Crash => {
                // Nobody is left to inform if this fails; the vCPU then hangs.
                let _ = kill_process(getpid(), Signal::SEGV);
            }
            How::Abort => {
                report(&format!("deliberate assertion failed at {mnemonic}"));
                std::process::abort();
            }
            How::Hang => {}
        }
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

impl Place {
    fn holds(&self, mnemonic: &str, operands: &Operands) -> bool {
        let equal =
            |wanted: Option<u64>, value: Option<u64>| wanted.is_none_or(|_| wanted == value);
        self.mnemonic.is_none_or(|wanted| wanted == mnemonic)
            && (!self.absent_bar || operands.pcias.is_some_and(|bar| ABSENT_BARS.contains(&bar)))
            && equal(self.space, operands.pcias.map(u64::from))
            && equal(self.offset, operands.offset.map(|Hex(offset)| offset))
            && equal(self.length, operands.length)
            && equal(self.operation, operands.operation.map(u64::from))
    }
}

#[cfg(test)]
mod tests;
