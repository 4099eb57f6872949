//! A vfio-user server that presents emulated ISM functions and checks every store.
//!
//! Everything that waits, maps memory or holds a descriptor is here; what it means is told by the
//! pure crates. The way of a message: [`socket`] receives bytes and descriptors, [`connection`]
//! cuts messages out of them, [`dispatch`] answers one request, [`hub`] takes the fabric's lock
//! and hands stores and loads to the device (crate `ism`), which asks [`guest`] for memory and
//! interrupts.
//!
//! - [`cli`], [`run`], [`logging`], [`capabilities`], [`rules_list`]: the command line;
//! - [`profile`]: JSON device profiles;
//! - [`listen`], [`descriptor`], [`sockets`], [`serve`], [`announce`]: where clients come from, one
//!   after the other;
//! - [`threads`]: what serves them; [`socket`], [`spin`], [`receive_buffer`], [`message_fds`],
//!   [`connection`], [`dispatch`], [`peer`]: one client; [`channel`]: what one that only brings instructions may do;
//! - [`hub`], [`regions`]: the functions, behind one lock;
//! - [`guest`], [`memory`], [`irq`], [`client_memory`]: what a client lent;
//! - [`record`], [`reporting`], [`open_descriptors`]: events, counters, report;
//! - [`limits`]: every bound on what a peer can cause;
//! - [`sandbox`]: what the process gives up before it serves.
//!
//! `unsafe` stands in [`memory::guest_file`] and [`descriptor`] only.
//!
//! Non-goal: it knows no ISM command and no rule.
#![deny(unsafe_code)]

pub mod announce;
pub mod capabilities;
pub mod channel;
pub mod cli;
pub mod client_memory;
pub mod connection;
#[allow(unsafe_code, reason = "takes over descriptors by number")]
pub mod descriptor;
pub mod descriptor_limit;
pub mod dispatch;
pub mod guest;
pub mod hub;
pub mod irq;
pub mod irq_watch;
pub mod limits;
pub mod listen;
pub mod logging;
pub mod memory;
pub mod message_fds;
pub mod open_descriptors;
pub mod peer;
pub mod profile;
pub mod receive_buffer;
pub mod record;
pub mod regions;
pub mod reporting;
pub mod rules_list;
pub mod run;
pub mod sandbox;
pub mod serve;
pub mod socket;
pub mod sockets;
pub mod spin;
pub mod threads;
pub mod with_parent;
