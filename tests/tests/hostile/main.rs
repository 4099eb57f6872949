//! Tests of clients that break the protocol, lend bad memory, flood, stall or die.

mod clients;
mod control;
mod descriptors;
mod disconnect;
mod half_messages;
mod limits;
mod peer;
mod ranges;
mod replies;
mod ring;
mod soak;
mod while_moving;
