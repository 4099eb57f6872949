//! One slot: a command at a time.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::scan::{Scanner, Sink};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::AgentError;

/// As much as is read at once.
const CHUNK: usize = 64 << 10;

/// The connected ports of a slot.
#[derive(Debug)]
pub(super) struct Slot {
    /// Requests and standard output.
    pub stdout: BufReader<UnixStream>,
    /// Standard error.
    pub stderr: UnixStream,
    /// The guest's boot whose agent answers.
    pub boot: u64,
}

impl Slot {
    /// Waits for an agent that has begun anew; what the one before it said is passed over.
    pub(super) async fn meet(&mut self, token: &str) -> Result<(), AgentError> {
        self.run(token, ":", Nowhere, Nowhere).await.map(drop)
    }

    /// Runs `command`; its exit status.
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

/// Passes on what comes until the token; what stands behind it in its line.
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
