//! Tests with a client and a connection in one process, joined by a socket pair.

mod channel;
mod framing;
mod lifetime;
mod moves;
mod refusals;
mod region_requests;
mod serving;
mod support;
