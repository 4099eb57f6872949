//! Faults: a test for each kind, which sees it in bytes and sees that without it everything is well;
//! how they are chosen, recorded and controlled.

mod choice;
mod commands;
mod control;
mod events;
mod interrupts;
mod messages;
mod moves;
mod recorded;
mod seen;
mod setup;
mod whole;
