//! The layout of guest memory, as real addresses.

/// Bytes of guest memory that the probe needs.
pub(crate) const MEMORY: u64 = 128 << 20;

/// Code. It is not at 0x10000, where QEMU expects a Linux kernel and writes a command line into it.
pub(crate) const CODE: u64 = 0x2_0000;

/// Lowcore: the general registers after the instruction under test.
pub(crate) const REGISTERS_AFTER: u64 = 0x400;
/// Lowcore: the general registers before that instruction.
pub(crate) const REGISTERS_BEFORE: u64 = 0x500;

/// The mailbox: variables that the host reads.
pub(crate) const MAILBOX: u64 = 0x10_0000;

/// First byte that the host reads.
pub const DUMP_ADDRESS: u64 = MAILBOX;

/// Bytes of the mailbox that show the program's progress.
pub const MAILBOX_LENGTH: u64 = 256;

/// CLP block: list.
pub(crate) const CLP_LIST: u64 = 0x10_1000;

/// Blocks for the PCISTB of the set-up.
pub(crate) const SETUP_BLOCKS: u64 = 0x10_1800;

/// Adapter interrupt summary bit. All functions share it.
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
pub(crate) const fn function_area(function: usize) -> u64 {
    0x10_4000 + FUNCTION_AREA * function as u64
}

/// Offsets in a function's area.
pub(crate) mod area {
    /// Function id. The host sets it.
    pub(crate) const FID: u64 = 0;
    /// The function's handle in the high word.
    pub(crate) const HANDLE: u64 = 8;
    /// Config offset of the MSI capability, or zero.
    pub(crate) const MSI: u64 = 16;
    /// MSI address in the form of the config register: low word, bytes reversed.
    pub(crate) const MSI_LOW: u64 = 24;
    /// High word, bytes reversed.
    pub(crate) const MSI_HIGH: u64 = 32;
    /// The function's GID.
    pub(crate) const GID: u64 = 40;
    /// Token of the function's DMB.
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

/// Blocks that instructions of the plan write. The host reads them.
pub(crate) const OUTPUTS: u64 = 0x11_0000;
/// End of [`OUTPUTS`].
pub(crate) const OUTPUTS_END: u64 = RESULTS;

/// Results, one [`RESULT_SIZE`] each.
pub(crate) const RESULTS: u64 = 0x28_0000;
/// Bytes per result.
pub(crate) const RESULT_SIZE: u64 = 384;

/// End of the memory that the host reads.
pub(crate) const DUMP_END: u64 = 0x60_0000;
/// Bytes that the host reads.
pub const DUMP_LENGTH: u64 = DUMP_END - DUMP_ADDRESS;

/// Memory that a function may reach, 256 KiB.
pub(crate) const fn dma_memory(function: usize) -> u64 {
    0x60_0000 + 0x8_0000 * function as u64
}
/// Length of that memory.
pub(crate) const DMA_LENGTH: u64 = 0x4_0000;

/// A function's translation tables: region third, segment, page.
pub(crate) const fn region_table(function: usize) -> u64 {
    0x70_0000 + 0x1_0000 * function as u64
}
/// Segment table.
pub(crate) const fn segment_table(function: usize) -> u64 {
    region_table(function) + 0x4000
}
/// Page table.
pub(crate) const fn page_table(function: usize) -> u64 {
    region_table(function) + 0x8000
}

/// The guest's own translation tables.
pub(crate) const GUEST_TABLES: u64 = 0x72_0000;

/// Records, one [`super::record::SIZE`] each.
pub(crate) const RECORDS: u64 = 0x78_0000;

/// Blocks for the plan's stores.
pub(crate) const PAYLOADS: u64 = 0xa0_0000;
/// End of [`PAYLOADS`].
pub(crate) const PAYLOADS_END: u64 = WINDOW;

/// Virtual addresses of translated operands, 4 MiB. The real memory at the same addresses is never used. So
/// if QEMU treats a virtual address as a real one, it finds zeros.
pub(crate) const WINDOW: u64 = 0x700_0000;
/// Length of the window.
pub(crate) const WINDOW_LENGTH: u64 = 0x40_0000;

/// Real pages for the window.
pub(crate) const FRAMES: u64 = WINDOW + WINDOW_LENGTH;
/// End of [`FRAMES`]. The last page of memory stays empty, for blocks that reach beyond it.
pub(crate) const FRAMES_END: u64 = MEMORY - 0x1000;

/// DMA address of a function's memory: the start of QEMU's DMA window.
pub(crate) const DMA_ADDRESS: u64 = 0x1_0000_0000;
/// DMA address of the summary bit area.
pub(crate) const SBA_ADDRESS: u64 = DMA_ADDRESS;
/// DMA address of the event queue.
pub(crate) const IEQ_ADDRESS: u64 = DMA_ADDRESS + 0x1000;
/// Length of the event queue, as in Linux.
pub(crate) const IEQ_LENGTH: u64 = 512;
/// DMA address of the set-up's DMB.
pub(crate) const DMB_ADDRESS: u64 = DMA_ADDRESS + 0x1_0000;
/// Length of the set-up's DMB.
pub(crate) const DMB_LENGTH: u64 = 0x1_0000;
/// Index of the set-up's DMB in the SBA. Linux uses 32 and up.
pub(crate) const DMB_INDEX: u64 = 32;
/// A DMB that the plan registers.
pub(crate) const SECOND_DMB_ADDRESS: u64 = DMA_ADDRESS + 0x2_0000;

/// Interruption subclass of the adapter interrupt.
pub(crate) const ISC: u64 = 3;
/// Number of interrupts that each function registers, as in Linux for an ISM function.
pub(crate) const VECTORS: u64 = 1;

/// Variables: offsets in the mailbox, eight bytes each.
pub(crate) mod variable {
    /// The program's state; see [`super::state`].
    pub(crate) const STATE: u64 = 8;
    /// Number of the running record: first the set-up's steps, then the plan's cases. The program writes it
    /// before each record, so it names the last instruction of a QEMU that crashed.
    pub(crate) const PROGRESS: u64 = 16;
    /// Always zero.
    pub(crate) const ZERO: u64 = 24;
    /// Nonzero while an instruction under test runs.
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
    /// Old PSW and code of a program interruption outside an instruction under test.
    pub(crate) const CRASH_MASK: u64 = 88;
    /// Its instruction address.
    pub(crate) const CRASH_ADDRESS: u64 = 96;
    /// Its code.
    pub(crate) const CRASH_CODE: u64 = 104;
    /// One bit for each function whose last fence failed.
    pub(crate) const FENCES_FAILED: u64 = 112;
    /// Scratch for STOSM and STNSM.
    pub(crate) const SCRATCH: u64 = 120;
    /// Time of day.
    pub(crate) const CLOCK: u64 = 128;
    /// A value that a case saved.
    pub(crate) const SAVED: u64 = 136;
    /// Vendor and device, as in CLP's list. The host sets it.
    pub(crate) const WANTED: u64 = 144;
    /// Number of records. The host sets it.
    pub(crate) const COUNT: u64 = 152;
    /// Failed fences after the last record, one bit for each function.
    pub(crate) const LAST_FENCES_FAILED: u64 = 160;
    /// PSW of the instruction under test, and its address.
    pub(crate) const RUN_PSW: u64 = 0x200;
    /// Disabled wait PSW for the end of a run. The host sets it.
    pub(crate) const DONE_PSW: u64 = 0x210;
    /// Disabled wait PSW for a crash. The host sets it.
    pub(crate) const CRASH_PSW: u64 = 0x220;
    /// PSW mask for handlers. The host sets it.
    pub(crate) const HANDLER_MASK: u64 = 0x230;
    /// Control register 6. The host sets it.
    pub(crate) const CONTROL_6: u64 = 0x238;
    /// Control registers 1, 7 and 13: primary, secondary and home space. The host sets them.
    pub(crate) const SPACES: [u64; 3] = [0x240, 0x248, 0x250];
    /// Access register 4, which names the secondary space. The host sets it.
    pub(crate) const ACCESS_REGISTER: u64 = 0x258;
}

/// Offsets in a result.
pub(crate) mod result {
    /// 1: begun. 2: done. 3: skipped.
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
    /// Number of adapter interrupts.
    pub(crate) const INTERRUPTS: u64 = 48;
    /// Last interruption identification word.
    pub(crate) const INTERRUPT_WORD: u64 = 56;
    /// Failed fences before the instruction, one bit for each function.
    pub(crate) const FENCES_FAILED: u64 = 64;
    /// The doublewords at [`super::SUMMARY`]: summary, then the vectors of both functions.
    pub(crate) const INDICATORS: u64 = 72;
    /// Counters of the function measurement block: loads, stores, block stores, refreshes. All ones without
    /// an update.
    pub(crate) const COUNTERS: u64 = 96;
    /// General registers after the instruction.
    pub(crate) const AFTER: u64 = 128;
    /// General registers before it.
    pub(crate) const BEFORE: u64 = 256;
}

/// Values of [`variable::STATE`].
pub(crate) mod state {
    /// The code runs.
    pub(crate) const STARTED: u64 = 1;
    /// CLP does not list a function that the plan needs.
    pub(crate) const NO_FUNCTION: u64 = 2;
    /// CLP could not enable the function.
    pub(crate) const NOT_ENABLED: u64 = 3;
    /// Records run.
    pub(crate) const RUNNING: u64 = 4;
    /// All records ran.
    pub(crate) const DONE: u64 = 5;
    /// A program interruption at an unexpected place.
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
/// A disabled wait at this address asks QEMU for a shutdown (QEMU `target/s390x/helper.c`,
/// `is_special_wait_psw`).
pub(crate) const QUIESCE: u64 = 0xfff;
