//! Writes the reports of a running server.

use std::io::Write;

use crate::hub::Hub;
use crate::record::open_descriptors::OpenDescriptors;
use crate::record::report::Report;
use crate::record::{ReportError, ReportFile};

/// Builds and writes reports. The file must be opened before the server serves.
#[derive(Debug)]
pub struct Reporting {
    file: Option<ReportFile>,
    open: OpenDescriptors,
}

impl Reporting {
    /// Creates it with the report file, if there is one.
    pub fn new(file: Option<ReportFile>) -> Self {
        let open = OpenDescriptors::new();
        Self { file, open }
    }

    fn report(&mut self, hub: &Hub) -> Report {
        let mut report = hub.report();
        report.open_descriptors = self.open.count();
        report
    }

    /// Handles SIGUSR1: writes the totals so far to the report file, or in one line to stderr if there is
    /// none.
    pub fn now(&mut self, hub: &Hub) {
        let report = self.report(hub);
        let Some(file) = &mut self.file else {
            let _ = std::io::stderr().write_all(report.line().as_bytes());
            return;
        };
        match file.write(&report) {
            Ok(()) => tracing::info!(number = report.number, "SIGUSR1: report written"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "SIGUSR1: no report");
            }
        }
    }

    /// Handles the end: writes the summary to stderr, and the totals to the report file.
    pub fn end(mut self, hub: &Hub) -> Result<(), ReportError> {
        hub.settle();
        let report = self.report(hub);
        // The report must be written even if the reader of stderr is gone.
        let _ = std::io::stderr().write_all(report.summary().as_bytes());
        match &mut self.file {
            Some(file) => file.write(&report),
            None => Ok(()),
        }
    }
}
