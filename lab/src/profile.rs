//! The fabric's profile.

use std::collections::BTreeMap;

use ism::profile::{DeviceSettings, FunctionSettings, Profile, SCHEMA_VERSION};
use zpci_region::Severity;

/// GID of the first function. The others follow.
const FIRST_GID: u64 = 0x1500_0000_0000_0001;

/// A profile with a function for each guest. It also checks SMC-D's rules, because only SMC-D uses these
/// functions. The `spare` functions are for measurements with other moves.
pub(crate) fn with_functions(guests: usize, spare: usize) -> Profile {
    let function = |(number, gid): (usize, u64)| {
        let smcd = if number < guests {
            Severity::Warn
        } else {
            Severity::Off
        };
        FunctionSettings {
            name: format!("ism{number}"),
            gid: format!("{gid:#x}"),
            socket: None,
            device: DeviceSettings::default(),
            rules: BTreeMap::from([("smcd".to_owned(), smcd)]),
        }
    };
    Profile {
        schema_version: SCHEMA_VERSION,
        name: "lab".to_owned(),
        description: None,
        device: DeviceSettings::default(),
        rules: BTreeMap::new(),
        functions: (0..guests + spare).zip(FIRST_GID..).map(function).collect(),
        faults: Vec::new(),
    }
}
