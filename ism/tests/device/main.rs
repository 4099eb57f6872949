//! Tests of the device from outside: a driver that knows only bytes, and guests that keep a log.

mod against_model;
mod commands;
mod driver;
mod events;
mod faults;
mod guests;
mod interleavings;
mod linux;
mod model;
mod move_rules;
mod moves;
mod properties;
mod reset;
mod rules;
