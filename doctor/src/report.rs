//! The findings as data, before rendering.

use serde::Serialize;

/// The version of the program. The plugin must have the same version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The grade of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything is there.
    Good,
    /// Something is missing that no use needs.
    Note,
    /// Something is missing or broken.
    Missing,
}

/// The subject of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// A `qemu-system-s390x`.
    Qemu,
    /// The plugin that QEMU loads.
    Plugin,
    /// The cache folder and its content.
    Cache,
    /// The kernel and the programs of this host.
    Host,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The subject.
    pub topic: Topic,
    /// Name of the checked thing for machines: `qemu`, `landlock`, `cache-entry` and so on.
    pub check: &'static str,
    /// Its grade.
    pub state: State,
    /// The finding, in one line.
    pub text: String,
    /// The remedy. `None` if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Details for machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl Finding {
    /// A finding without a remedy.
    pub fn new(topic: Topic, check: &'static str, state: State, text: impl Into<String>) -> Self {
        Self {
            topic,
            check,
            state,
            text: text.into(),
            remedy: None,
            details: None,
        }
    }

    /// Adds a remedy.
    #[must_use]
    pub fn fix(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds details.
    #[must_use]
    pub fn with(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// One use of the program, and whether it can start now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Use {
    /// `serve`, `intercept` or `lab`.
    pub name: &'static str,
    /// Whether it can start on this machine.
    pub possible: bool,
    /// The reasons why it cannot start, one line each. Empty if it can.
    pub lacks: Vec<String>,
}

/// The report about this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of the JSON form: 1.
    pub schema_version: u32,
    /// The version of this program.
    pub version: &'static str,
    /// Operating system, kernel release and architecture.
    pub host: String,
    /// The lines, by topic.
    pub findings: Vec<Finding>,
    /// The three uses.
    pub uses: Vec<Use>,
}
