//! The benchmark runs, and the hot path takes the instructions on record.

mod instructions;
mod rows;
mod system_calls;
