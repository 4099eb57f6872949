//! The fuzz targets: how each uses its input, and what must hold.
//!
//! | module | the input is |
//! |---|---|
//! | [`frame`] | bytes of a client's stream |
//! | [`session`] | what one or two clients do: messages, descriptors, replies |
//! | [`device`] | loads, stores, resets of several functions, and memory that comes and goes |
//! | [`profile`] | the text of a profile |
//!
//! [`corpus`] is the file that keeps a target's inputs.
//!
//! Every `run` panics when what must hold does not. Inputs of `session` and `device` are read as a
//! tape, front to back, so that any bytes mean something and a changed byte changes one action.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod device;
pub mod frame;
pub mod profile;
pub mod session;
mod tape;
