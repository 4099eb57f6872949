//! The reason why a command has no answer.

/// The reason why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The ports closed: QEMU ended.
    #[error("the guest ended before the command did")]
    Gone,
    /// The guest was reset while the command ran.
    #[error("the guest rebooted before the command ended")]
    Rebooted,
    /// The guest sent another answer than the protocol says.
    #[error("the guest's agent answered {0:?}, expected an exit status")]
    Garbled(String),
    /// The output cannot be passed on.
    #[error("the command's output cannot be passed on")]
    Output(#[source] std::io::Error),
}
