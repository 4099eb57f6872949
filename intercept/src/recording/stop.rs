//! The way and the place in which QEMU stopped before the plan was done.

use serde::{Deserialize, Serialize};

/// The way in which QEMU stopped before the plan was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how", deny_unknown_fields)]
pub enum Stop {
    /// QEMU ended.
    Crashed {
        /// The signal that ended QEMU. None if it exited by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// QEMU's exit code. None if a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// The last lines of QEMU's output, without warnings.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<String>,
        /// The functions on the stack of the crashed thread, innermost first. Empty without a debugger.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        backtrace: Vec<String>,
    },
    /// The guest made no progress.
    Hung {
        /// The time limit in seconds.
        seconds: u64,
        /// The PSW line of QEMU's `info registers`, if QEMU still printed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        psw: Option<String>,
    },
}

impl std::fmt::Display for Stop {
    /// Writes one line of text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crashed {
                signal,
                exit_code,
                words,
                backtrace,
            } => {
                match (signal, exit_code) {
                    (Some(signal), _) => write!(f, "QEMU was ended by {}", signal_name(*signal))?,
                    (None, Some(code)) => write!(f, "QEMU ended with exit code {code}")?,
                    (None, None) => f.write_str("QEMU ended")?,
                }
                if !backtrace.is_empty() {
                    write!(f, " in {}", backtrace.join(", called by "))?;
                }
                if !words.is_empty() {
                    write!(f, ", saying: {}", words.join(" / "))?;
                }
                Ok(())
            }
            Self::Hung { seconds, psw } => {
                write!(f, "the guest came no further within {seconds} s")?;
                match psw {
                    Some(psw) => write!(f, " ({psw})"),
                    None => f.write_str(", and QEMU's monitor did not answer"),
                }
            }
        }
    }
}

/// The name of a signal, for example `SIGSEGV` (Linux, the signals for a program's own faults).
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "SIGILL".into(),
        5 => "SIGTRAP".into(),
        6 => "SIGABRT".into(),
        7 => "SIGBUS".into(),
        8 => "SIGFPE".into(),
        9 => "SIGKILL".into(),
        11 => "SIGSEGV".into(),
        15 => "SIGTERM".into(),
        31 => "SIGSYS".into(),
        other => format!("signal {other}"),
    }
}

/// The place where QEMU stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Step of the set-up, by name.
    Setup(String),
    /// Index of the plan's case.
    Case(usize),
}
