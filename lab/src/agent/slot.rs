//! One slot: it runs one command at a time.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::scan::{Scanner, Sink};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::AgentError;

/// Most bytes of one read.
const CHUNK: usize = 64 << 10;

/// The connected ports of a slot.
#[derive(Debug)]
pub(super) struct Slot {
    /// Port for requests and standard output.
    pub stdout: BufReader<UnixStream>,
    /// Port for standard error.
    pub stderr: UnixStream,
    /// Number of the boot of the agent in this slot.
    pub boot: u64,
}

impl Slot {
    /// Waits for an agent that has just started. Skips the output of the previous one.
    pub(super) async fn meet(&mut self, token: &str) -> Result<(), AgentError> {
        self.run(token, ":", Nowhere, Nowhere).await.map(drop)
    }

    /// Runs `command` and returns its exit status.
    pub(super) async fn run(
        &mut self,
        token: &str,
        command: &str,
        mut stdout: impl Sink,
        mut stderr: impl Sink,
    ) -> Result<u8, AgentError> {
        let request = format!("{token} {}\n", BASE64_STANDARD.encode(command));
        self.stdout
            .write_all(request.as_bytes())
            .await
            .map_err(|_| AgentError::Gone)?;
        let (status, _) = tokio::try_join!(
            collect(&mut self.stdout, token, &mut stdout),
            collect(&mut self.stderr, token, &mut stderr),
        )?;
        status
            .trim()
            .parse()
            .map_err(|_| AgentError::Garbled(status))
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// Passes on output up to the token. Returns the rest of the token's line.
async fn collect(
    port: &mut (impl AsyncReadExt + Unpin),
    token: &str,
    sink: &mut impl Sink,
) -> Result<String, AgentError> {
    let mut scanner = Scanner::new(token);
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = match port.read(&mut chunk).await {
            Ok(got @ 1..) => got,
            _ => return Err(AgentError::Gone),
        };
        let found = scanner.take(chunk.get(..got).unwrap_or_default(), sink);
        if let Some(rest) = found.map_err(AgentError::Output)? {
            return Ok(rest);
        }
    }
}
