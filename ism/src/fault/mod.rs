//! Faults: a function that misbehaves on purpose, for those who test drivers.
//!
//! A [`Fault`] says where it may act ([`On`]), which of the chances there it takes ([`When`]) and what it
//! does ([`Action`]). Faults are data: with the same faults, the same accesses of a function misbehave in the
//! same way, whatever other functions do meanwhile.
//!
//! - `action`: every action, with its parameters;
//! - `site`: the places where a fault may act;
//! - `plan`: a fault as it stands in a profile;
//! - `number`: 64-bit numbers written as `0x...`;
//! - `check`: converts a fault as written into one that can act;
//! - `random`: the numbers behind `probability`;
//! - `armed`: all faults of a fabric, their counters, and the choice at each chance;
//! - `order`: the requests of a fault to the server that surrounds the fabric;
//! - `whole`: actions that hit a whole function.
//!
//! The files that carry out commands, moves and events also carry out their faults. A fabric without faults
//! holds `None`, and each of those places checks nothing else.

pub(crate) mod action;
pub(crate) mod armed;
pub(crate) mod check;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod site;
pub(crate) mod whole;

mod number;
mod random;

pub use action::{Action, Blame, Moment, MoveErrno, Who};
pub use armed::{FaultCount, FaultRecord};
pub use check::{FaultError, check};
pub use number::Hex64;
pub use order::{Later, Order};
pub use plan::{Fault, On, When, deserialize_action};
pub use site::Site;
