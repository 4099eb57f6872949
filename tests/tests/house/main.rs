//! Checks of the repository itself: dependencies between crates and files, files for packagers, programs that
//! tests start, the threat model.

mod dependencies;
mod file_circles;
mod packaging;
mod programs;
mod threat_model;
