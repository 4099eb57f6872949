//! The vfio-user protocol over a real socket: one module per command or topic.

mod config_space;
mod device_feature;
mod device_info;
mod dma_lent;
mod dma_many;
mod dma_map;
mod dma_truncate;
mod dma_unmap;
mod dma_without_fd;
mod instruction_channel;
mod irq_info;
mod no_reply;
mod padded_requests;
mod pipelining;
mod region_access;
mod region_info;
mod region_io;
mod region_io_fds;
mod region_write_multi;
mod register_stores;
mod request_errors;
mod reset;
mod set_irqs;
mod version;
