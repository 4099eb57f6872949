//! Tests that compile the workspace once more: sanitizers, fuzz targets, container images.

mod container;
mod fuzz;
mod instrumented;
mod package;
