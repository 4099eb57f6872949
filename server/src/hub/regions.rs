//! The regions of a function, by VFIO index.

use ism::{COMMAND_BAR_SIZE, MSIX_BAR_SIZE};
use vfio_user_protocol::message::RegionInfo;
use vfio_user_protocol::message::region_info::{FLAG_READ, FLAG_WRITE};
use vfio_user_protocol::{Errno, Refused};
use zpci_region::request::{self, CarrierPolicy};

use crate::profile::FunctionPlan;

/// Number of regions: 0..=8 of every PCI function, and the zPCI I/O region.
pub const COUNT: u32 = request::REGION_INDEX + 1;
/// Index of configuration space (VFIO_PCI_CONFIG_REGION_INDEX).
const CONFIG: u32 = 7;
/// Bytes of PCI configuration space.
const CONFIG_SIZE: u64 = 256;

/// A region that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// A BAR; the number is its index.
    Bar(u8),
    /// PCI configuration space.
    Config,
    /// The zPCI I/O region.
    Zpci,
}

/// Size of a region in bytes. The size is 0 for a region that does not exist, and `None` for an index past
/// the last. `carrier` says where the bytes of zPCI requests are.
pub fn size(index: u32, plan: &FunctionPlan, carrier: CarrierPolicy) -> Option<u64> {
    match index {
        0 => Some(plan.config.data_bar_size),
        2 => Some(COMMAND_BAR_SIZE),
        4 if plan.config.msix => Some(MSIX_BAR_SIZE),
        CONFIG => Some(CONFIG_SIZE),
        request::REGION_INDEX => Some(request::region_size(carrier, plan.config.clp.maxstbl)),
        1..COUNT => Some(0),
        _ => None,
    }
}

/// Finds the region of an index.
pub fn find(index: u32, plan: &FunctionPlan) -> Result<Region, Refused> {
    match (index, size(index, plan, plan.carrier)) {
        (_, None) => Err(Refused::invalid(format!(
            "region {index}, expected 0..{COUNT}"
        ))),
        (_, Some(0)) => Err(Refused::new(
            Errno::EINVAL,
            format!("region {index} is not there"),
        )),
        (CONFIG, _) => Ok(Region::Config),
        (request::REGION_INDEX, _) => Ok(Region::Zpci),
        (bar, _) => Ok(Region::Bar(bar as u8)),
    }
}

/// Builds the answer to DEVICE_GET_REGION_INFO.
pub fn info(
    index: u32,
    plan: &FunctionPlan,
    carrier: CarrierPolicy,
) -> Result<RegionInfo, Refused> {
    let size = size(index, plan, carrier).ok_or_else(|| {
        Refused::invalid(format!(
            "DEVICE_GET_REGION_INFO: region {index}, expected 0..{COUNT}"
        ))
    })?;
    let flags = if size == 0 { 0 } else { FLAG_READ | FLAG_WRITE };
    let kind =
        (index == request::REGION_INDEX).then_some((request::REGION_TYPE, request::REGION_SUBTYPE));
    Ok(RegionInfo {
        index,
        flags,
        size,
        kind,
    })
}
