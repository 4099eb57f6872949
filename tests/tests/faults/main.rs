//! Tests of faults. Each kind has a test that sees its effect in bytes, and sees no effect without it. Other
//! tests cover selection, records and control of faults.

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
