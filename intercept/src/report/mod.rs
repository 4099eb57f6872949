//! Reports: what the verdicts say, for people and for programs.
//!
//! - `model`: the report as data, and as JSON;
//! - `table`: for a terminal;
//! - `tap`: Test Anything Protocol 14;
//! - `junit`: JUnit XML;
//! - `html`: one page with pictures, from `picture`.

mod html;
mod junit;
mod model;
mod picture;
mod table;
mod tap;

pub use html::html;
pub use junit::junit;
pub use model::{CaseReport, Report, ReportError, SCHEMA_VERSION};
pub use table::table;
pub use tap::tap;

#[cfg(test)]
mod tests;
