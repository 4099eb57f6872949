//! The program as its user sees it: command line, sockets, logs, reports, how a run ends.

mod cli;
mod doctor;
mod ending;
mod memory_use;
mod polling;
mod report_now;
mod sandbox;
mod shell;
mod sockets;
mod with_parent;
