//! Tests that the benchmark runs, and that the hot path takes the recorded number of instructions.

mod instructions;
mod rows;
mod system_calls;
