//! Rules about the order of accesses. Checks look and report; what they remember changes only
//! when the access was carried out.

pub(crate) mod command;
pub(crate) mod data;
pub(crate) mod smcd;
