//! Tests that compile the workspace again: sanitizers, fuzz targets, packages, container images.

mod container;
mod fuzz;
mod instrumented;
mod kept_build;
mod package;
