//! Tests of the program from the view of its user: command line, sockets, logs, reports, end of a run.

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
