//! Rules of the repository itself: dependencies between crates and files, files for packagers, the threat model.

mod dependencies;
mod file_circles;
mod packaging;
mod threat_model;
