//! Data moves: stores into BAR 0.
//!
//! `store` judges them, `moved` carries them out, `faulty` carries out those with a fault. `target` finds the
//! DMB, `order` compares a move with the previous one, and `smcd` judges the bytes that SMC-D puts into a
//! DMB.

pub(crate) mod faulty;
pub(crate) mod order;
pub(crate) mod smcd;

mod moved;
mod store;
mod target;

pub(crate) use store::store;
