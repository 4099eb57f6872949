//! Ethernet frames on a stream.

use bytes::Bytes;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A hardware address.
pub(super) type Address = [u8; 6];

/// The largest frame that QEMU accepts from a stream (QEMU `include/net/net.h`, `NET_BUFSIZE`).
pub(super) const LARGEST: usize = 4096 + 65536;

/// Bytes of destination, source and type.
pub(super) const HEADER: usize = 14;

/// A frame, from its destination address on, without a checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame(Bytes);

impl Frame {
    /// A frame, unless `bytes` is too short or too long for one.
    pub(super) fn new(bytes: Bytes) -> Option<Self> {
        (HEADER..=LARGEST)
            .contains(&bytes.len())
            .then_some(Self(bytes))
    }

    fn address(&self, at: usize) -> Address {
        let mut address = [0; 6];
        for (to, from) in address.iter_mut().zip(self.0.iter().skip(at)) {
            *to = *from;
        }
        address
    }

    /// Destination address.
    pub(super) fn destination(&self) -> Address {
        self.address(0)
    }

    /// Source address.
    pub(super) fn source(&self) -> Address {
        self.address(6)
    }

    /// Writes the length and the bytes.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) async fn write(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        // At most LARGEST, which fits.
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        writer.write_all(&length.to_be_bytes()).await?;
        writer.write_all(&self.0).await
    }
}

/// The next frame. `None` at the end of the stream, or if the bytes are no frame. Then later bytes have no
/// known meaning.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let length = reader.read_u32().await.ok()?;
    let length = usize::try_from(length).ok().filter(|l| *l <= LARGEST)?;
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await.ok()?;
    Frame::new(bytes.into())
}
