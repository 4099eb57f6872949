//! A vfio-user server that presents emulated ISM functions and checks every store.
//!
//! This crate contains everything that waits, maps memory or holds a descriptor; the pure crates contain the
//! meaning of messages and accesses. A program creates a [`ServeConfig`] and starts a [`Server`] with it, as
//! `cli` and the tests do.
//!
//! A message takes this way: [`listen`] accepts a client, [`serve`] gives the function one client after the
//! other, [`client`] receives bytes and descriptors, splits them into messages and answers each one, [`hub`]
//! takes the fabric's lock and passes stores and loads to the device (crate `ism`), which reaches memory and
//! interrupts through [`guest`].
//!
//! - [`config`], [`server`]: settings, start and end;
//! - [`profile`]: JSON device profiles;
//! - [`listen`]: sockets by path, by descriptor, from systemd;
//! - [`serve`]: a thread for each function, one client after the other;
//! - [`client`]: one connection: socket, messages, requests, and the instruction channel's limits;
//! - [`hub`]: the functions behind one lock;
//! - [`guest`]: memory and interrupts that a client lent;
//! - [`record`]: events, counters, reports;
//! - `message_names`: the messages that a fault may name;
//! - [`control`]: the control socket: faults, counts and events while guests run;
//! - [`limits`]: every limit on what a peer can cause;
//! - [`sandbox`]: drops the rights that serving does not need.
//!
//! Only [`guest::memory::guest_file`] and [`listen::descriptor`] contain `unsafe`.
//!
//! Non-goal: the crate knows no ISM command, no rule and no command line.
#![deny(unsafe_code)]

pub mod client;
pub mod config;
pub mod control;
pub mod guest;
pub mod hub;
pub mod limits;
pub mod listen;
mod message_names;
pub mod profile;
pub mod record;
pub mod sandbox;
pub mod serve;
pub mod server;

pub use config::{CaptureFile, EventLog, ServeConfig, SocketChoice};
pub use server::{Request, Server, StartError};
