//! Tests of the records of a session, and of the tools that show it and play it again.

mod capture;
mod dissector;
mod metrics;
mod page;
mod replay;
mod schema;
mod session;
mod trace;
