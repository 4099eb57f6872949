//! The names in `on.message` of faults. The crate `ism` does not know the protocol, so it cannot check them.

use ism::fault::{Fault, FaultError};
use vfio_user_protocol::header::Command;

/// Checks that the fault names a message of the protocol.
///
/// # Errors
/// It names another one, so the fault would never act.
pub(crate) fn check(fault: &Fault) -> Result<(), FaultError> {
    let Some(message) = &fault.on.message else {
        return Ok(());
    };
    let names: Vec<&str> = Command::ALL.iter().map(|command| command.name()).collect();
    if names.contains(&message.as_str()) {
        return Ok(());
    }
    Err(FaultError {
        key: "on.message".to_owned(),
        problem: format!("{message:?}, expected one of {}", names.join(", ")),
    })
}
