//! Reports of the verdicts, for people and for programs.
//!
//! - `model`: the report as facts; `difference`, `alike`, `ci`: facts that follow from it;
//! - `words`: facts in words, the same in every form;
//! - `table`: for a terminal; `side_by_side`: for several QEMUs;
//! - `json`, `tap` (Test Anything Protocol 14), `junit`: for programs;
//! - `html`: one page with pictures.

mod alike;
mod ci;
mod difference;
mod html;
mod json;
mod junit;
pub(crate) mod model;
mod side_by_side;
mod table;
mod tap;
pub(crate) mod words;

pub use ci::{State, state};
pub use difference::{Difference, Special};
pub use html::html;
pub use json::json;
pub use junit::{junit, junit_of_error};
pub use model::{CaseReport, Report, SCHEMA_VERSION};
pub use side_by_side::side_by_side;
pub use table::table;
pub use tap::tap;

#[cfg(test)]
mod tests;
