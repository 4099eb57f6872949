//! The reasons why a command in a guest has no result.

/// A reason why a command in a guest has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// QEMU ended, so the ports closed.
    #[error("the guest ended before the command did")]
    Gone,
    /// The guest was reset while the command ran.
    #[error("the guest rebooted before the command ended")]
    Rebooted,
    /// The guest's answer does not follow the protocol.
    #[error("the guest's agent answered {0:?}, expected an exit status")]
    Garbled(String),
    /// The command's output cannot be written.
    #[error("the command's output cannot be passed on")]
    Output(#[source] std::io::Error),
}
