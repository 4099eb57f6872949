//! The Landlock restriction: no file, no network, no other process.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest Landlock interface that this program knows. An older kernel restricts as much as it can.
const NEWEST: ABI = ABI::V6;

/// Removes every right to files from the calling thread and from threads that it starts later, except the
/// right to remove a file in these folders. Returns what the kernel enforces; the error says why it enforces
/// nothing.
pub fn restrict(removable: &[&Path]) -> Result<String, String> {
    let status = apply(removable).map_err(|error| error.to_string())?;
    match status {
        RulesetStatus::FullyEnforced => Ok("landlock".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("landlock, as far as this kernel has it".to_owned()),
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock, or it is off".to_owned()),
    }
}

fn apply(removable: &[&Path]) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for folder in removable {
        // A folder that is gone has no file to remove.
        if let Ok(folder) = PathFd::new(folder) {
            ruleset = ruleset.add_rule(PathBeneath::new(folder, AccessFs::RemoveFile))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}
