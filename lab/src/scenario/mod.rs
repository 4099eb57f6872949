//! Scenarios: actions of guests on a fabric, events that happen to them, and checks afterwards.
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@format`] | a scenario as JSON |
//! | `choose`, `load`, `library` | by file or name, checked; those that are compiled in |
//! | `suite`, `open` | several scenarios, on as few labs as can be |
//! | `stage`, `command`, `drive` | the steps of one |
//! | `tail`, `heard` | what steps wait for: events of the server, words of a guest |
//! | `judge`, `totals` | what must hold at the end; the counts of the server's report |
//! | `draw`, `shake` | random scenarios, and the shortest form of one that fails |
//! | `outcome` | table, JSON and JUnit |

mod choose;
mod command;
mod draw;
mod drive;
pub(crate) mod format;
mod heard;
mod judge;
mod library;
mod load;
mod open;
mod outcome;
mod shake;
mod stage;
mod suite;
mod tail;
mod totals;

pub(crate) use suite::{check, list, run, schema};
