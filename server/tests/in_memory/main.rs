//! A client and a connection joined by a socket pair, in one process.

mod channel;
mod framing;
mod lifetime;
mod moves;
mod refusals;
mod region_requests;
mod serving;
mod support;
