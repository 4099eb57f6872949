//! What is recorded of a session, and the ways to look at it and to play it again.

mod capture;
mod dissector;
mod metrics;
mod page;
mod replay;
mod schema;
mod session;
mod trace;
