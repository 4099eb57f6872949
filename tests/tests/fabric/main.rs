//! Tests of the ISM device from the view of drivers: commands, data moves, events, and functions of one
//! fabric.

mod atomic_bits;
mod commands;
mod cursors;
mod data_moves;
mod death;
mod event_queue;
mod functions;
mod order;
mod vlan;
