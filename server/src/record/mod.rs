//! Records of a server: events as they happen, totals at the end.

pub mod capture;
pub mod event_batch;
pub mod event_file;
pub mod events;
pub mod journal;
pub mod latency;
pub mod log_budget;
pub mod log_limit;
pub mod metrics;
pub mod open_descriptors;
pub mod report;
pub mod report_file;
pub mod reporting;
pub mod tally;

pub use capture::{Capture, CaptureError};
pub use event_file::{EventError, EventFile};
pub use journal::Journal;
pub use log_limit::LogLimit;
pub use report::Report;
pub use report_file::{ReportError, ReportFile};
pub use tally::Tally;
