//! Reports of a running server: when they are made, and where they go.

use std::io::Write;

use crate::hub::Hub;
use crate::record::open_descriptors::OpenDescriptors;
use crate::record::report::Report;
use crate::record::{ReportError, ReportFile};

/// Makes and writes reports. What it needs is opened before anything is served.
#[derive(Debug)]
pub struct Reporting {
    file: Option<ReportFile>,
    open: OpenDescriptors,
}

impl Reporting {
    /// Reports that go to this file, if there is one.
    pub fn new(file: Option<ReportFile>) -> Self {
        let open = OpenDescriptors::new();
        Self { file, open }
    }

    fn report(&mut self, hub: &Hub) -> Report {
        let mut report = hub.report();
        report.open_descriptors = self.open.count();
        report
    }

    /// SIGUSR1: the totals so far go where they will go at the end; to stderr, in one line, if that
    /// is nowhere.
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

    /// The end: the summary goes to stderr, and the totals to the file.
    pub fn end(mut self, hub: &Hub) -> Result<(), ReportError> {
        hub.settle();
        let report = self.report(hub);
        // A reader of stderr that went away must not cost the report.
        let _ = std::io::stderr().write_all(report.summary().as_bytes());
        match &mut self.file {
            Some(file) => file.write(&report),
            None => Ok(()),
        }
    }
}
