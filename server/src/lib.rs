//! A vfio-user server that presents emulated ISM functions and checks every store.
//!
//! Everything that waits, maps memory or holds a descriptor is here. The pure crates say what it
//! means. A program makes a [`ServeConfig`] and starts a [`Server`] with it; `cli` does, and so do
//! tests.
//!
//! A message takes this way: [`listen`] accepts, [`serve`] gives the function one client after the
//! other, [`client`] receives bytes and descriptors, cuts messages out of them and answers each
//! one, [`hub`] takes the fabric's lock and hands stores and loads to the device (crate `ism`),
//! which asks [`guest`] for memory and interrupts.
//!
//! - [`config`], [`server`]: settings, start and end;
//! - [`profile`]: JSON device profiles;
//! - [`listen`]: sockets by path, by descriptor, from systemd;
//! - [`serve`]: a thread for each function, one client after the other;
//! - [`client`]: one connection: socket, messages, requests, and the instruction channel's limits;
//! - [`hub`]: the functions behind one lock;
//! - [`guest`]: memory and interrupts that a client lent;
//! - [`record`]: events, counters, reports;
//! - [`control`]: the control socket: faults, counts and events while guests run;
//! - [`limits`]: every bound on what a peer can cause;
//! - [`sandbox`]: what the process gives up before it serves.
//!
//! `unsafe` stands in [`guest::memory::guest_file`] and [`listen::descriptor`] only.
//!
//! Non-goal: it knows no ISM command, no rule and no command line.
#![deny(unsafe_code)]

pub mod client;
pub mod config;
pub mod control;
pub mod guest;
pub mod hub;
pub mod limits;
pub mod listen;
pub mod profile;
pub mod record;
pub mod sandbox;
pub mod serve;
pub mod server;

pub use config::{CaptureFile, EventLog, ServeConfig, SocketChoice};
pub use server::{Request, Server, StartError};
