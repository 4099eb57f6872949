//! The address spaces of an ISM function that cases use.

/// Offset in BAR 2 for cases. It is after the command window, so that no pattern becomes a command.
pub(super) const BAR2_SCRATCH: u64 = 0x800;

/// Size of BAR 0 of an ISM function.
pub(super) const BAR0_SIZE: u64 = 1 << 48;

/// Size of BAR 2 of an ISM function.
pub(super) const BAR2_SIZE: u64 = 0x1000;
