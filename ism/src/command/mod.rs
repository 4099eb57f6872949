//! Commands: the window in BAR 2, the table of commands, and one file per family.
//!
//! A store goes through [`doorbell`]: [`window`] gathers the request, [`request`] parses it, [`order`] judges
//! the order of its stores, [`judge`] judges its operands, and the module of its family carries it out. A
//! command runs inside the store that completes its header, because drivers load the response without waiting
//! (Linux 6.12 `ism_cmd`).

pub(crate) mod call;
pub(crate) mod doorbell;
pub(crate) mod judge;
pub(crate) mod order;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod table;
pub(crate) mod window;

mod dmb;
mod faulty;
mod info;
mod queues;
mod signal;
mod vlan;
