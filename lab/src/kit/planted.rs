//! The module with planted faults for a given kernel.

use std::fs;

use debian_fetch::{Cache, For};

use super::choice::KernelChoice;
use super::error::KitError;
use super::module::Module;
use super::plant::{self as source, MODULE, OF};
use super::{debug, recipe};

/// Prefix of the name of an entry with only this module.
const ENTRY: &str = "lab-plant-";

/// The module for the kernel of `choice`, from the cache or built now. None for the user's own kernel.
///
/// # Errors
/// It cannot be built, or Debian no longer has the packages for the kernel in the cache.
pub fn plant(cache: &Cache, choice: &KernelChoice) -> Result<Option<Module>, KitError> {
    let series = match choice {
        KernelChoice::Debian(series) => *series,
        KernelChoice::Debug(series) => {
            let entry = debug::entry(cache, *series)?;
            return Ok(Some(Module::at(&entry.root().join(MODULE))));
        }
        KernelChoice::Own(_) => return Ok(None),
    };
    let kit = recipe::entry(cache, series)?;
    let in_kit = fs::read_to_string(kit.root().join(OF));
    if in_kit.is_ok_and(|of| of == source::key()) {
        return Ok(Some(Module::at(&kit.root().join(MODULE))));
    }
    let release = recipe::release(&kit)?;
    let name = format!("{ENTRY}{series}");
    let full = format!("{}, kernel {release}", source::key());
    let logs = cache.folder().join("logs");
    let entry = cache.built(&name, &full, For::Lab, |workshop| {
        workshop.with_kernel(&[series], |kernel| {
            if kernel.release() != release {
                return Err(KitError::Moved {
                    there: kernel.release().to_owned(),
                    release: release.clone(),
                });
            }
            recipe::plant_alone(workshop, kernel, &logs, &name)
        })
    })?;
    Ok(Some(Module::at(&entry.root().join(MODULE))))
}
