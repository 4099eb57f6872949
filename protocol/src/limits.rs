//! Every limit on what a peer may send, in one place.

/// Declares limits, and `ALL` with each of them by its name.
#[macro_export]
macro_rules! limits {
    ($($(#[$doc:meta])* pub const $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*

        /// Every limit above, by name.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64)),*];
    };
}

limits! {
    /// Bytes of data that one REGION_READ, REGION_WRITE, DMA_READ or DMA_WRITE may carry.
    pub const MAX_DATA_XFER_SIZE: u32 = 1 << 20;
    /// Most bytes before the data in the largest message: header, and DMA_WRITE's address and count.
    pub const MAX_FIXED: usize = 64;
    /// Descriptors in one message. QEMU 11.1 proposes 16 and accepts no more.
    pub const MAX_MSG_FDS: u32 = 16;
    /// DMA maps of one client. QEMU refuses a larger answer.
    pub const MAX_DMA_MAPS: u32 = 65_535;
    /// Bytes of the text of VERSION, NUL included.
    pub const MAX_VERSION_TEXT: usize = 4096;
    /// Writes in one REGION_WRITE_MULTI (QEMU sends at most 200).
    pub const MAX_MULTI_WRITES: u64 = 1024;
    /// Vectors that one DEVICE_SET_IRQS may name: the maximum of an MSI-X table.
    pub const MAX_IRQ_VECTORS: u32 = 2048;
    /// Messages of the server that may wait for the client's reply at the same time.
    pub const MAX_OUTSTANDING: usize = 1;
}

/// The limits of a connection: those of this side until VERSION, then the smaller of both sides'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of data in one transfer.
    pub max_data_xfer_size: u32,
    /// Descriptors in one message to the client.
    pub max_msg_fds: u32,
    /// Number of DMA maps.
    pub max_dma_maps: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_data_xfer_size: MAX_DATA_XFER_SIZE,
            max_msg_fds: MAX_MSG_FDS,
            max_dma_maps: MAX_DMA_MAPS,
        }
    }
}

impl Limits {
    /// Bytes of the largest accepted message. The negotiated transfer size does not lower it: a longer
    /// transfer is refused, not malformed.
    pub fn max_message(&self) -> usize {
        (MAX_DATA_XFER_SIZE as usize).saturating_add(MAX_FIXED)
    }
}
