//! Another lab for `--bench --compare`: its QEMU and its settings.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use harness::Moves;

/// A value of `--compare`: `QEMU[,moves=WHICH][,DRIVER.PROPERTY=VALUE]...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The QEMU, as for `--qemu`. None means the first lab's.
    pub qemu: Option<OsString>,
    /// The moves that the plugin posts. None means the first lab's.
    pub moves: Option<Moves>,
    /// Properties of QEMU's devices, for `-global`.
    pub properties: Vec<String>,
}

impl Variant {
    /// QEMU's arguments for the properties.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = OsString> {
        let properties = self.properties.iter();
        properties.flat_map(|each| ["-global".into(), each.into()])
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A file's name may contain commas.
        if Path::new(text).exists() {
            let qemu = Some(text.into());
            return Ok(Self {
                qemu,
                ..Self::default()
            });
        }
        let mut words = text.split(',');
        let qemu = words.next().filter(|qemu| !qemu.is_empty());
        let mut variant = Self {
            qemu: qemu.map(OsString::from),
            ..Self::default()
        };
        for word in words {
            match word.split_once('=') {
                Some(("moves", which)) => {
                    let moves = Moves::from_str(which, false);
                    let refused = |_| format!("moves={which}: expected posted, data or waited");
                    variant.moves = Some(moves.map_err(refused)?);
                }
                Some((property, _)) if property.contains('.') => {
                    variant.properties.push(word.to_owned());
                }
                _ => {
                    let expected = "expected moves=WHICH or DRIVER.PROPERTY=VALUE";
                    return Err(format!("{word:?} after the QEMU: {expected}"));
                }
            }
        }
        Ok(variant)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.qemu {
            Some(qemu) => OsStr::display(qemu).fmt(f)?,
            None => f.write_str("the same QEMU")?,
        }
        if let Some(value) = self.moves.and_then(|moves| moves.to_possible_value()) {
            write!(f, ", moves={}", value.get_name())?;
        }
        self.properties
            .iter()
            .try_for_each(|each| write!(f, ", {each}"))
    }
}

#[cfg(test)]
mod tests {
    use harness::Moves;

    use super::Variant;

    #[test]
    fn a_word_names_a_qemu_moves_and_properties() {
        let variant: Variant = "zpci-11.1,zpci.stores=bar,zpci.posted=off".parse().unwrap();
        assert_eq!(variant.qemu.as_deref(), Some("zpci-11.1".as_ref()));
        let arguments: Vec<_> = variant.arguments().collect();
        let wanted = ["-global", "zpci.stores=bar", "-global", "zpci.posted=off"];
        assert_eq!(arguments, wanted);
        assert_eq!(
            variant.to_string(),
            "zpci-11.1, zpci.stores=bar, zpci.posted=off"
        );
        let same: Variant = ",moves=waited".parse().unwrap();
        assert_eq!((&same.qemu, same.moves), (&None, Some(Moves::Waited)));
        assert_eq!(same.to_string(), "the same QEMU, moves=waited");
    }

    #[test]
    fn a_file_with_commas_in_its_name_is_a_qemu() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qemu,moves=none");
        std::fs::write(&file, "").unwrap();
        let variant: Variant = file.to_str().unwrap().parse().unwrap();
        assert_eq!((variant.qemu, variant.moves), (Some(file.into()), None));
    }

    #[test]
    fn what_is_no_setting_is_named() {
        let refused = |text: &str| text.parse::<Variant>().unwrap_err();
        assert!(refused("zpci,moves=often").contains("moves=often: expected posted"));
        for word in ["stores=bar", "fast"] {
            let error = refused(&format!("zpci,{word}"));
            assert!(
                error.contains(word) && error.contains("DRIVER.PROPERTY"),
                "{error}"
            );
        }
    }
}
