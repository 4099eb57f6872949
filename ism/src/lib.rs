//! The ISM device: Internal Shared Memory, PCI 1014:04ed, as its drivers see it.
//!
//! A [`Fabric`] holds the functions of one machine. A function registers direct memory buffers (DMBs) of its
//! guest, lets one peer write into each, and gets signals through a page of summary bits (SBA) and an event
//! queue (IEQ). There is no public architecture document of ISM, so the device does what the Linux drivers
//! rely on. Where they leave a choice, the code documents the choice.
//!
//! - `fabric`: the entry points; `state`: the data of a fabric, and queries on it;
//! - `turn`: everything that one access may touch;
//! - `access`: dispatch of a load or store to the part of the function that it addresses;
//! - `command`: the command window in BAR 2 and the fourteen commands;
//! - `data_move`: stores into BAR 0;
//! - `event`: the event queue;
//! - `config_space`, `msix`: PCI configuration space, the MSI-X table behind BAR 4;
//! - [`fault`]: faults that are injected on purpose;
//! - [`profile`]: the functions of a fabric and their faults, as a user writes them;
//! - `layout`: offsets and structures shared with drivers;
//! - `host`, `record`: the interfaces to guest memory and interrupts, and to the observer.
//!
//! The crate is pure: it has no socket, clock, runtime or unsafe code, and the same calls give the same
//! results.
//!
//! Non-goal: the crate does not read guest memory, and it knows no client, connection or message.
#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc)]
#![warn(unreachable_pub)]

mod access;
mod command;
mod config_space;
mod data_move;
mod dmb;
mod event;
mod fabric;
pub mod fault;
mod function;
mod host;
mod id;
#[cfg(test)]
mod judged;
mod layout;
mod msix;
pub mod profile;
mod record;
mod state;
mod turn;

pub use command::response::ResponseCode;
pub use command::table::Command;
pub use config_space::ConfigError;
pub use dmb::Dmb;
pub use fabric::{Fabric, FabricError};
pub use function::{FunctionConfig, FunctionInfo, Totals};
pub use host::{Delivery, DeliveryRecord, Host, MemoryError};
pub use id::FunctionId;
pub use layout::{COMMAND_BAR_SIZE, DataAddress, MSIX_BAR_SIZE};
pub use record::{CommandRecord, DeviceObserver, EventRecord, MoveRecord};
