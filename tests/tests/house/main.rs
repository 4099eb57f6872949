//! Rules of the repository itself: dependencies, files for packagers, the threat model.

mod dependencies;
mod packaging;
mod threat_model;
