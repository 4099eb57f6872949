//! The fuzz targets: how each one uses its input, and what it checks.
//!
//! | module | input |
//! |---|---|
//! | [`frame`] | bytes of a client's stream |
//! | [`session`] | actions of one or two clients: messages, descriptors, replies |
//! | [`device`] | loads, stores, resets of several functions, and memory that appears and disappears |
//! | [`profile`] | the text of a profile |
//!
//! [`corpus`] reads and writes the file with a target's inputs.
//!
//! Every `run` panics if a check fails. The targets `session` and `device` read an input as a tape, front to
//! back, so that any bytes are valid and a changed byte changes one action.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod device;
pub mod frame;
pub mod profile;
pub mod session;
mod tape;
