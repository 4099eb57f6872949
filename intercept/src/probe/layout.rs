//! The layout of guest memory, as real addresses.

/// Guest memory the probe needs, in bytes.
pub(crate) const MEMORY: u64 = 128 << 20;

/// Code. Not 0x10000, where QEMU expects a Linux kernel and writes a command line into it.
pub(crate) const CODE: u64 = 0x2_0000;

/// Lowcore: the general registers as the instruction under test left them.
pub(crate) const REGISTERS_AFTER: u64 = 0x400;
/// Lowcore: the general registers before that instruction.
pub(crate) const REGISTERS_BEFORE: u64 = 0x500;

/// The mailbox: variables the host reads.
pub(crate) const MAILBOX: u64 = 0x10_0000;

/// First byte that the host reads.
pub const DUMP_ADDRESS: u64 = MAILBOX;

/// Bytes of the mailbox that tell how far the program came.
pub const MAILBOX_LENGTH: u64 = 256;

/// CLP block: list.
pub(crate) const CLP_LIST: u64 = 0x10_1000;

/// Blocks that the set-up's PCISTB carry.
pub(crate) const SETUP_BLOCKS: u64 = 0x10_1800;

/// Adapter interrupt summary bit, which all functions share.
pub(crate) const SUMMARY: u64 = 0x10_2000;
/// Adapter interrupt bit vectors, one doubleword for each function.
pub(crate) const INDICATORS: u64 = 0x10_2008;

/// The function measurement block.
pub(crate) const MEASUREMENT: u64 = 0x10_2100;

/// The number of functions that the probe can use.
pub(crate) const FUNCTIONS: usize = 2;

/// Bytes of a function's area.
const FUNCTION_AREA: u64 = 0x1000;

/// The guest's data about a function: variables, then CLP blocks, then function information blocks.
#[must_use]
pub(crate) const fn function_area(function: usize) -> u64 {
    0x10_4000 + FUNCTION_AREA * function as u64
}

/// Offsets in a function's area.
pub(crate) mod area {
    /// Function id: set by the host.
    pub(crate) const FID: u64 = 0;
    /// The function's handle in the high word.
    pub(crate) const HANDLE: u64 = 8;
    /// Config offset of the MSI capability, or zero.
    pub(crate) const MSI: u64 = 16;
    /// MSI address as the config register wants it: low word, bytes reversed.
    pub(crate) const MSI_LOW: u64 = 24;
    /// High word, bytes reversed.
    pub(crate) const MSI_HIGH: u64 = 32;
    /// The function's GID.
    pub(crate) const GID: u64 = 40;
    /// Token of its DMB.
    pub(crate) const TOKEN: u64 = 48;
    /// Response header of READ_GID issued by PCISTB.
    pub(crate) const BLOCK_RESPONSE: u64 = 56;
    /// Response header of the last set-up command.
    pub(crate) const SETUP_RESPONSE: u64 = 64;
    /// The number of the function's group in the high word.
    pub(crate) const GROUP: u64 = 72;
    /// CLP block: query function.
    pub(crate) const CLP_FUNCTION: u64 = 0x400;
    /// CLP block: query function group.
    pub(crate) const CLP_GROUP: u64 = 0x600;
    /// CLP block: set function.
    pub(crate) const CLP_SET: u64 = 0x700;
    /// Function information block: interrupts.
    pub(crate) const FIB_INTERRUPTS: u64 = 0x800;
    /// Function information block: translation.
    pub(crate) const FIB_TRANSLATION: u64 = 0x880;
}

/// Blocks that instructions of the plan write to, so that the host reads them.
pub(crate) const OUTPUTS: u64 = 0x11_0000;
/// End of [`OUTPUTS`].
pub(crate) const OUTPUTS_END: u64 = RESULTS;

/// Results, one [`RESULT_SIZE`] each.
pub(crate) const RESULTS: u64 = 0x28_0000;
/// Bytes per result.
pub(crate) const RESULT_SIZE: u64 = 384;

/// End of what the host reads.
pub(crate) const DUMP_END: u64 = 0x60_0000;
/// Bytes that the host reads.
pub const DUMP_LENGTH: u64 = DUMP_END - DUMP_ADDRESS;

/// Memory that a function may reach, 256 KiB.
#[must_use]
pub(crate) const fn dma_memory(function: usize) -> u64 {
    0x60_0000 + 0x8_0000 * function as u64
}
/// Its length.
pub(crate) const DMA_LENGTH: u64 = 0x4_0000;

/// A function's translation tables: region third, segment, page.
#[must_use]
pub(crate) const fn region_table(function: usize) -> u64 {
    0x70_0000 + 0x1_0000 * function as u64
}
/// Segment table.
#[must_use]
pub(crate) const fn segment_table(function: usize) -> u64 {
    region_table(function) + 0x4000
}
/// Page table.
#[must_use]
pub(crate) const fn page_table(function: usize) -> u64 {
    region_table(function) + 0x8000
}

/// The guest's own translation tables.
pub(crate) const GUEST_TABLES: u64 = 0x72_0000;

/// Records, one [`super::record::SIZE`] each.
pub(crate) const RECORDS: u64 = 0x78_0000;

/// Blocks that the plan's stores carry.
pub(crate) const PAYLOADS: u64 = 0xa0_0000;
/// End of [`PAYLOADS`].
pub(crate) const PAYLOADS_END: u64 = WINDOW;

/// Virtual addresses of operands that are reached through translation, 4 MiB. The real memory at the same addresses is
/// never used: whoever takes a virtual address for a real one finds zeros.
pub(crate) const WINDOW: u64 = 0x700_0000;
/// Length of the window.
pub(crate) const WINDOW_LENGTH: u64 = 0x40_0000;

/// Real pages behind the window.
pub(crate) const FRAMES: u64 = WINDOW + WINDOW_LENGTH;
/// End of [`FRAMES`]. The last page of memory stays empty, for blocks that reach beyond it.
pub(crate) const FRAMES_END: u64 = MEMORY - 0x1000;

/// The place where a function sees its memory: the start of QEMU's DMA window.
pub(crate) const DMA_ADDRESS: u64 = 0x1_0000_0000;
/// The summary bit area, as the function sees it.
pub(crate) const SBA_ADDRESS: u64 = DMA_ADDRESS;
/// The event queue, as the function sees it.
pub(crate) const IEQ_ADDRESS: u64 = DMA_ADDRESS + 0x1000;
/// Length that Linux gives its event queue.
pub(crate) const IEQ_LENGTH: u64 = 512;
/// The DMB of the set-up, as the function sees it.
pub(crate) const DMB_ADDRESS: u64 = DMA_ADDRESS + 0x1_0000;
/// Its length.
pub(crate) const DMB_LENGTH: u64 = 0x1_0000;
/// Its place in the SBA; Linux uses 32 and up.
pub(crate) const DMB_INDEX: u64 = 32;
/// A DMB that the plan registers.
pub(crate) const SECOND_DMB_ADDRESS: u64 = DMA_ADDRESS + 0x2_0000;

/// Interruption subclass of the adapter interrupt.
pub(crate) const ISC: u64 = 3;
/// The number of interrupts that each function registers, as Linux does for an ISM function.
pub(crate) const VECTORS: u64 = 1;

/// Variables: offsets in the mailbox, eight bytes each.
pub(crate) mod variable {
    /// The program's state; see [`super::state`].
    pub(crate) const STATE: u64 = 8;
    /// Number of the record that runs: the set-up's steps come first, then the plan's cases. Written before each one, so
    /// that it tells which instruction was the last of a QEMU that crashed.
    pub(crate) const PROGRESS: u64 = 16;
    /// Always zero.
    pub(crate) const ZERO: u64 = 24;
    /// Not zero while an instruction under test runs.
    pub(crate) const ARMED: u64 = 32;
    /// Program interruption code of that instruction.
    pub(crate) const PROGRAM_CODE: u64 = 40;
    /// Translation-exception identification.
    pub(crate) const TRANSLATION_EXCEPTION: u64 = 48;
    /// Instruction address of its old PSW.
    pub(crate) const OLD_ADDRESS: u64 = 56;
    /// Condition code.
    pub(crate) const CONDITION: u64 = 64;
    /// Adapter interrupts taken since the last clearing.
    pub(crate) const INTERRUPTS: u64 = 72;
    /// Last interruption identification word.
    pub(crate) const INTERRUPT_WORD: u64 = 80;
    /// Old PSW and code of a program interruption that no instruction under test caused.
    pub(crate) const CRASH_MASK: u64 = 88;
    /// Its address.
    pub(crate) const CRASH_ADDRESS: u64 = 96;
    /// Its code.
    pub(crate) const CRASH_CODE: u64 = 104;
    /// A bit for each function whose last fence did not load.
    pub(crate) const FENCES_FAILED: u64 = 112;
    /// Scratch for STOSM and STNSM.
    pub(crate) const SCRATCH: u64 = 120;
    /// Time of day.
    pub(crate) const CLOCK: u64 = 128;
    /// A value kept by a case.
    pub(crate) const SAVED: u64 = 136;
    /// Vendor and device as CLP lists them: set by the host.
    pub(crate) const WANTED: u64 = 144;
    /// The number of records: set by the host.
    pub(crate) const COUNT: u64 = 152;
    /// Fences that failed after the last record, a bit for each function.
    pub(crate) const LAST_FENCES_FAILED: u64 = 160;
    /// PSW of the instruction under test, and its address.
    pub(crate) const RUN_PSW: u64 = 0x200;
    /// Disabled wait PSW of a run that came to its end: set by the host.
    pub(crate) const DONE_PSW: u64 = 0x210;
    /// Disabled wait PSW of a crash: set by the host.
    pub(crate) const CRASH_PSW: u64 = 0x220;
    /// PSW mask for handlers: set by the host.
    pub(crate) const HANDLER_MASK: u64 = 0x230;
    /// Control register 6: set by the host.
    pub(crate) const CONTROL_6: u64 = 0x238;
    /// Control registers 1, 7 and 13, primary, secondary and home space: set by the host.
    pub(crate) const SPACES: [u64; 3] = [0x240, 0x248, 0x250];
    /// Access register 4, which names the secondary space: set by the host.
    pub(crate) const ACCESS_REGISTER: u64 = 0x258;
}

/// Offsets in a result.
pub(crate) mod result {
    /// 1 begun, 2 done, 3 passed over.
    pub(crate) const STATE: u64 = 0;
    /// Condition code.
    pub(crate) const CONDITION: u64 = 8;
    /// Program interruption code.
    pub(crate) const PROGRAM_CODE: u64 = 16;
    /// Translation-exception identification.
    pub(crate) const TRANSLATION_EXCEPTION: u64 = 24;
    /// Instruction address of the old PSW.
    pub(crate) const OLD_ADDRESS: u64 = 32;
    /// Address of the instruction.
    pub(crate) const ADDRESS: u64 = 40;
    /// Adapter interrupts taken.
    pub(crate) const INTERRUPTS: u64 = 48;
    /// Last interruption identification word.
    pub(crate) const INTERRUPT_WORD: u64 = 56;
    /// Fences before the instruction that did not load, a bit for each function.
    pub(crate) const FENCES_FAILED: u64 = 64;
    /// The doublewords at [`super::SUMMARY`]: summary, then the vectors of both functions.
    pub(crate) const INDICATORS: u64 = 72;
    /// Counters of the function measurement block: loads, stores, block stores, refreshes. All ones if it was not updated.
    pub(crate) const COUNTERS: u64 = 96;
    /// General registers after the instruction.
    pub(crate) const AFTER: u64 = 128;
    /// General registers before it.
    pub(crate) const BEFORE: u64 = 256;
}

/// Values of [`variable::STATE`].
pub(crate) mod state {
    /// Code runs.
    pub(crate) const STARTED: u64 = 1;
    /// CLP does not list a function that the plan needs.
    pub(crate) const NO_FUNCTION: u64 = 2;
    /// CLP could not enable the function.
    pub(crate) const NOT_ENABLED: u64 = 3;
    /// Records run.
    pub(crate) const RUNNING: u64 = 4;
    /// All records ran.
    pub(crate) const DONE: u64 = 5;
    /// A program interruption where none can be.
    pub(crate) const CRASHED: u64 = 6;
}

/// PSW mask for 64-bit addressing with all interruptions disabled.
pub(crate) const PSW_64: u64 = 0x0000_0001_8000_0000;
/// The wait bit.
pub(crate) const PSW_WAIT: u64 = 0x0002_0000_0000_0000;
/// Problem state.
pub(crate) const PSW_PROBLEM: u64 = 1 << 48;
/// Dynamic address translation.
pub(crate) const PSW_DAT: u64 = 1 << 58;
/// The address-space control: 0 primary, 1 access registers, 2 secondary, 3 home.
pub(crate) const PSW_SPACE: u32 = 46;
/// A disabled wait at this address asks QEMU for a shutdown (QEMU `target/s390x/helper.c`, `is_special_wait_psw`).
pub(crate) const QUIESCE: u64 = 0xfff;
