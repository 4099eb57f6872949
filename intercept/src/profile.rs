//! The parts of the server's profile that decide the expectations.

use crate::document::{Document, DocumentError};
use crate::plan::Announced;
use ism::profile::{self, DeviceSettings};
use std::path::Path;
use zpci_region::clp::pnetid_util_str;

/// The parts of a profile that decide the expectations. The server checks the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Name of the profile, for reports.
    pub name: String,
    /// The facts that the function announces.
    pub announced: Announced,
}

impl Default for Profile {
    /// The server's built-in profile.
    fn default() -> Self {
        Self {
            name: "ism".into(),
            announced: Announced::default(),
        }
    }
}

/// The facts that the profile's only function announces. The server checks that they are possible.
fn announced(all: &DeviceSettings, own: &DeviceSettings) -> Announced {
    // A function's own settings override those of all functions.
    fn pick<T>(
        all: &DeviceSettings,
        own: &DeviceSettings,
        get: impl Fn(&DeviceSettings) -> Option<T>,
    ) -> Option<T> {
        get(own).or_else(|| get(all))
    }
    let mut announced = Announced::default();
    if let Some(value) = pick(all, own, |device| device.max_store_block_length) {
        announced.maxstbl = value;
    }
    if let Some(value) = pick(all, own, |device| device.relaxed) {
        announced.relaxed = value;
    }
    if let Some(value) = pick(all, own, |device| device.pchid) {
        announced.pchid = value;
    }
    if let Some(value) = pick(all, own, |device| device.data_bar_bits) {
        announced.bar_sizes[0] = value;
    }
    if pick(all, own, |device| device.msix) == Some(false) {
        announced.bar_sizes[4] = 0;
    }
    let pnetid = pick(all, own, |device| device.pnetid.clone());
    if let Some(string) = pnetid.as_deref().and_then(pnetid_util_str) {
        announced.utility_string = string.to_vec();
    }
    announced
}

impl Profile {
    /// Reads a profile file.
    ///
    /// # Errors
    /// A file that cannot be read, is no profile, or has another number of functions than one.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        let document = Document::new("profile", path);
        let file: profile::Profile = document.read()?;
        let [function] = file.functions.as_slice() else {
            let count = file.functions.len();
            let reason = format!("has {count} entries, the probe needs exactly one");
            return Err(document.invalid("functions", reason));
        };
        Ok(Self {
            announced: announced(&file.device, &function.device),
            name: file.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use std::path::Path;

    fn config(name: &str) -> Result<Profile, super::DocumentError> {
        Profile::read(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../configs")
                .join(name),
        )
    }

    #[test]
    fn the_default_is_the_servers() {
        assert_eq!(config("ism.json").expect("reads"), Profile::default());
    }

    #[test]
    fn the_strict_profile_is_strict() {
        let strict = config("strict.json").expect("reads");
        let announced = strict.announced;
        assert_eq!((announced.maxstbl, announced.relaxed), (128, false));
    }

    #[test]
    fn a_functions_own_settings_come_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile.json");
        let text = r#"{"schema_version":1,"name":"own","device":{"pchid":9,"msix":false},
            "functions":[{"name":"ism0","gid":"0x1","device":{"pchid":10,"data_bar_bits":40,"pnetid":"AJ9"}}]}"#;
        std::fs::write(&path, text).expect("writes");
        let announced = Profile::read(&path).expect("reads").announced;
        assert_eq!(
            (announced.pchid, announced.bar_sizes),
            (10, [40, 0, 12, 0, 0, 0])
        );
        assert_eq!(
            announced.utility_string[..5],
            [0xc1, 0xd1, 0xf9, 0x40, 0x40]
        );
        assert_eq!(announced.utility_string[16..], [0; 48]);
    }

    #[test]
    fn a_profile_of_two_functions_is_refused() {
        let message = config("pair.json").expect_err("refused").to_string();
        assert!(
            message.ends_with("at functions: has 2 entries, the probe needs exactly one"),
            "{message}"
        );
    }
}
