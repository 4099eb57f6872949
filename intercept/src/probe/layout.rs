//! Where everything lies in guest memory.

/// Guest memory the probe needs, in bytes.
pub const MEMORY: u64 = 128 << 20;

/// Code. Not 0x10000, where QEMU expects a Linux kernel and writes a command line into it.
pub const CODE: u64 = 0x2_0000;

/// The mailbox: variables the host reads.
pub const MAILBOX: u64 = 0x10_0000;

/// First byte that the host dumps.
pub const DUMP_ADDRESS: u64 = MAILBOX;

/// Bytes of the mailbox that tell how far the program came.
pub const MAILBOX_LENGTH: u64 = 256;

/// CLP blocks: list, query function, query group, set function.
pub const CLP_LIST: u64 = 0x10_1000;
/// Query function.
pub const CLP_FUNCTION: u64 = 0x10_1400;
/// Query function group.
pub const CLP_GROUP: u64 = 0x10_1600;
/// Set function.
pub const CLP_SET: u64 = 0x10_1800;

/// Function information blocks of the set-up.
pub const FIB_INTERRUPTS: u64 = 0x10_1a00;
/// Translation.
pub const FIB_TRANSLATION: u64 = 0x10_1a80;
/// Blocks that the set-up's PCISTB carry.
pub const SETUP_BLOCKS: u64 = 0x10_1b00;

/// Adapter interrupt summary bit.
pub const SUMMARY: u64 = 0x10_2000;
/// Adapter interrupt bit vector.
pub const INDICATORS: u64 = 0x10_2008;

/// Results, one [`RESULT_SIZE`] each.
pub const RESULTS: u64 = 0x11_0000;
/// Bytes per result.
pub const RESULT_SIZE: u64 = 64;

/// End of what the host dumps.
pub const DUMP_END: u64 = 0x20_0000;
/// Bytes that the host dumps.
pub const DUMP_LENGTH: u64 = DUMP_END - DUMP_ADDRESS;

/// Memory that the function may reach, 256 KiB.
pub const DMA_MEMORY: u64 = 0x40_0000;
/// Its length.
pub const DMA_LENGTH: u64 = 0x4_0000;

/// Translation tables: region third, segment, page.
pub const REGION_TABLE: u64 = 0x50_0000;
/// Segment table.
pub const SEGMENT_TABLE: u64 = 0x50_4000;
/// Page table.
pub const PAGE_TABLE: u64 = 0x50_8000;

/// Records, one [`super::record::SIZE`] each.
pub const RECORDS: u64 = 0x60_0000;

/// Blocks that the plan's stores carry.
pub const PAYLOADS: u64 = 0x80_0000;

/// Where the function sees [`DMA_MEMORY`]: the start of QEMU's DMA window.
pub const DMA_ADDRESS: u64 = 0x1_0000_0000;
/// The summary bit area, as the function sees it.
pub const SBA_ADDRESS: u64 = DMA_ADDRESS;
/// The event queue, as the function sees it.
pub const IEQ_ADDRESS: u64 = DMA_ADDRESS + 0x1000;
/// Length that Linux gives its event queue.
pub const IEQ_LENGTH: u64 = 512;
/// The DMB of the set-up, as the function sees it.
pub const DMB_ADDRESS: u64 = DMA_ADDRESS + 0x1_0000;
/// Its length.
pub const DMB_LENGTH: u64 = 0x1_0000;
/// Its place in the SBA; Linux uses 32 and up.
pub const DMB_INDEX: u64 = 32;
/// A DMB that the plan registers.
pub const SECOND_DMB_ADDRESS: u64 = DMA_ADDRESS + 0x2_0000;

/// Interruption subclass of the adapter interrupt.
pub const ISC: u64 = 3;

/// Variables: offsets in the mailbox, eight bytes each.
pub mod variable {
    /// How far the program came; see [`super::state`].
    pub const STATE: u64 = 8;
    /// Number of the record being run.
    pub const PROGRESS: u64 = 16;
    /// Enabled function handle.
    pub const HANDLE: u64 = 24;
    /// The function's GID.
    pub const GID: u64 = 32;
    /// Token of the DMB.
    pub const TOKEN: u64 = 40;
    /// Always zero.
    pub const ZERO: u64 = 48;
    /// Response header of READ_GID issued by PCISTB.
    pub const BLOCK_RESPONSE: u64 = 56;
    /// Config offset of the MSI capability, or zero.
    pub const MSI: u64 = 64;
    /// MSI address as the config register wants it: low word, bytes reversed.
    pub const MSI_LOW: u64 = 72;
    /// High word, bytes reversed.
    pub const MSI_HIGH: u64 = 80;
    /// Not zero while an instruction under test runs.
    pub const ARMED: u64 = 88;
    /// Program interruption code of that instruction.
    pub const PROGRAM_CODE: u64 = 96;
    /// Adapter interrupts taken since the last clearing.
    pub const INTERRUPTS: u64 = 104;
    /// Last interruption identification word.
    pub const INTERRUPT_WORD: u64 = 112;
    /// Condition code, in bits 34-35 as IPM leaves it.
    pub const CONDITION: u64 = 120;
    /// Old PSW and code of a program interruption that no instruction under test caused.
    pub const CRASH_MASK: u64 = 128;
    /// Its address.
    pub const CRASH_ADDRESS: u64 = 136;
    /// Its code.
    pub const CRASH_CODE: u64 = 144;
    /// Fences that loaded with condition code 0.
    pub const FENCES: u64 = 152;
    /// PSW to return to after a program interruption.
    pub const RETURN_PSW: u64 = 160;
    /// Scratch for STOSM and STNSM.
    pub const SCRATCH: u64 = 176;
    /// Time of day.
    pub const CLOCK: u64 = 184;
    /// A value kept by a case.
    pub const SAVED: u64 = 192;
    /// Vendor and device as CLP lists them, or zero for any: set by the host.
    pub const WANTED: u64 = 200;
    /// How many records there are: set by the host.
    pub const COUNT: u64 = 208;
    /// Response header of the last set-up command.
    pub const SETUP_RESPONSE: u64 = 216;
    /// Disabled wait PSW of a run that came to its end: set by the host.
    pub const DONE_PSW: u64 = 0x200;
    /// Disabled wait PSW of a crash: set by the host.
    pub const CRASH_PSW: u64 = 0x210;
    /// PSW mask for handlers: set by the host.
    pub const HANDLER_MASK: u64 = 0x220;
    /// Control register 6: set by the host.
    pub const CONTROL_6: u64 = 0x228;
}

/// Values of [`variable::STATE`].
pub mod state {
    /// Code runs.
    pub const STARTED: u64 = 1;
    /// CLP found no function.
    pub const NO_FUNCTION: u64 = 2;
    /// CLP could not enable the function.
    pub const NOT_ENABLED: u64 = 3;
    /// Records run.
    pub const RUNNING: u64 = 4;
    /// All records ran.
    pub const DONE: u64 = 5;
    /// A program interruption where none can be.
    pub const CRASHED: u64 = 6;
}

/// PSW mask for 64-bit addressing with all interruptions disabled.
pub const PSW_64: u64 = 0x0000_0001_8000_0000;
/// The wait bit.
pub const PSW_WAIT: u64 = 0x0002_0000_0000_0000;
/// A disabled wait at this address asks QEMU for a shutdown (QEMU `target/s390x/helper.c`, `is_special_wait_psw`).
pub const QUIESCE: u64 = 0xfff;
