//! Finds the likely causes of the results of block stores.

use super::fates::{Fate, Lengths};
use crate::expect::Refusal;
use crate::verdict::kind::Verdict;

/// A cause that fits the results. Simpler causes come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// QEMU refuses longer stores.
    Maximum {
        /// The longest store that QEMU does not refuse.
        longest: u64,
        /// The refusal of longer stores.
        refusal: Refusal,
    },
    /// QEMU refuses stores of up to this many bytes.
    Minimum {
        /// The longest refused short store.
        below: u64,
        /// The refusal of short stores.
        refusal: Refusal,
    },
    /// QEMU refuses all lengths except multiples of 8.
    MultiplesOf8 {
        /// The refusal of other lengths.
        refusal: Refusal,
    },
    /// QEMU splits stores into several accesses.
    Cut {
        /// The shortest split store.
        from: u64,
        /// The longest store that arrives in one piece, if there is one.
        whole: Option<u64>,
        /// Bytes of each access.
        size: Option<u64>,
        /// Whether the bytes of each access are reversed.
        reversed: bool,
    },
    /// Stores have another fault from this length on.
    Wrong {
        from: u64,
        /// The verdict.
        verdict: Verdict,
    },
}

impl Lengths {
    fn each(&self) -> impl Iterator<Item = (u64, Fate)> + '_ {
        self.0
            .iter()
            .flat_map(|stretch| (stretch.from..=stretch.to).map(|length| (length, stretch.fate)))
    }

    /// The causes that explain the results.
    pub fn causes(&self) -> Vec<Cause> {
        let refusal = |fate: Fate| match fate {
            Fate::Refused {
                exception: Some(code),
                ..
            } => Some(Refusal::Exception(code)),
            Fate::Refused {
                condition, status, ..
            } => Some(Refusal::Condition(condition, Some(status))),
            _ => None,
        };
        let mut causes = Vec::new();
        let taken: Vec<u64> = self
            .each()
            .filter(|(_, fate)| refusal(*fate).is_none())
            .map(|(length, _)| length)
            .collect();
        let (Some(&shortest), Some(&longest)) = (taken.first(), taken.last()) else {
            return causes;
        };
        let refused_beyond = self.each().find(|(length, _)| *length > longest);
        if let Some(refusal) = refused_beyond.and_then(|(_, fate)| refusal(fate)) {
            causes.push(Cause::Maximum { longest, refusal });
        }
        let odd = |length: &u64| !length.is_multiple_of(8);
        let within = || {
            self.each()
                .filter(|(length, _)| (shortest..longest).contains(length))
        };
        let odd_refusal = within()
            .filter(|(length, _)| odd(length))
            .map(|(_, fate)| refusal(fate))
            .collect::<Option<Vec<_>>>()
            .and_then(|refusals| refusals.first().copied());
        if let Some(refusal) = odd_refusal {
            causes.push(Cause::MultiplesOf8 { refusal });
        }
        // Only lengths that no other rule explains.
        let short = self
            .each()
            .take_while(|(length, _)| *length < shortest)
            .filter(|(length, _)| odd_refusal.is_none() || !odd(length))
            .last();
        if let Some((below, fate)) = short
            && let Some(refusal) = refusal(fate)
        {
            causes.push(Cause::Minimum { below, refusal });
        }
        let cut = self.each().find_map(|(from, fate)| match fate {
            Fate::Split { size, reversed } => Some((from, size, reversed)),
            _ => None,
        });
        if let Some((from, size, reversed)) = cut {
            let whole = self
                .each()
                .filter(|(length, fate)| *length < from && *fate == Fate::Whole)
                .last();
            causes.push(Cause::Cut {
                from,
                whole: whole.map(|(length, _)| length),
                size,
                reversed,
            });
        }
        causes.extend(self.each().find_map(|(from, fate)| match fate {
            Fate::Other(verdict) => Some(Cause::Wrong { from, verdict }),
            _ => None,
        }));
        causes
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Maximum { longest, refusal } => write!(
                f,
                "PCISTB longer than {longest} bytes: {refusal}. This looks like a maximum store block length of {longest}{}",
                if *longest == 128 {
                    ", that of QEMU's default group"
                } else {
                    ""
                }
            ),
            Self::Minimum { below, refusal } => write!(
                f,
                "PCISTB of {below} bytes or fewer: {refusal}. This looks like the lower limit of a strict function"
            ),
            Self::MultiplesOf8 { refusal } => write!(
                f,
                "PCISTB of other lengths than multiples of 8: {refusal}. This looks like the length check of a strict function"
            ),
            Self::Cut {
                from,
                whole,
                size,
                reversed,
            } => {
                match whole {
                    Some(whole) => write!(
                        f,
                        "PCISTB of {from} bytes is the shortest that is split; {whole} bytes arrive whole. "
                    )?,
                    None => write!(
                        f,
                        "PCISTB is split from {from} bytes on, and none arrives whole. "
                    )?,
                }
                match size {
                    Some(size) => {
                        write!(f, "This looks like a loop over accesses of {size} bytes")?;
                    }
                    None => f.write_str("The accesses differ in size")?,
                }
                if *reversed {
                    f.write_str(", each given in the wrong byte order")?;
                }
                Ok(())
            }
            Self::Wrong { from, verdict } => write!(
                f,
                "PCISTB of {from} bytes is the shortest whose bytes are {}{}",
                verdict.name(),
                if from.saturating_sub(1).is_power_of_two() {
                    format!(
                        ". This looks like a buffer or a number with room for {}",
                        from - 1
                    )
                } else {
                    String::new()
                }
            ),
        }
    }
}
