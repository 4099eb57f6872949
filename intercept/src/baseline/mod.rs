//! Compares a report with an earlier one.

mod choice;
pub(crate) mod comparison;
mod file;

pub(crate) use choice::Baselines;
pub(crate) use comparison::Comparison;
pub(crate) use file::Baseline;

#[cfg(test)]
mod tests;
