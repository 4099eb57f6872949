//! Finds the line that ends a command's output.

use std::io;

/// A receiver of output.
pub trait Sink {
    /// Receives bytes.
    ///
    /// # Errors
    /// They cannot be passed on.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl Sink for &mut Vec<u8> {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Searches for a token in bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Scanner {
    token: Vec<u8>,
    held: Vec<u8>,
    found: bool,
}

impl Scanner {
    pub(super) fn new(token: &str) -> Self {
        Self {
            token: token.as_bytes().to_vec(),
            held: Vec::new(),
            found: false,
        }
    }

    /// Receives the next piece. Bytes before the token go to `sink`. When the token's line is complete,
    /// returns the rest of that line.
    pub(super) fn take(
        &mut self,
        piece: &[u8],
        sink: &mut impl Sink,
    ) -> io::Result<Option<String>> {
        self.held.extend_from_slice(piece);
        if !self.found {
            let at = find(&self.held, &self.token);
            self.found = at.is_some();
            let safe = at.unwrap_or_else(|| self.held.len() - self.begun());
            sink.take(self.held.get(..safe).unwrap_or_default())?;
            let known = safe + if self.found { self.token.len() } else { 0 };
            self.held.drain(..known);
        }
        if !self.found {
            return Ok(None);
        }
        let end = self.held.iter().position(|byte| *byte == b'\n');
        Ok(end.map(|end| {
            let rest = self.held.drain(..=end).collect::<Vec<u8>>();
            String::from_utf8_lossy(&rest).trim().to_owned()
        }))
    }
    /// Number of bytes at the end that may be the beginning of the token. Only these must wait.
    fn begun(&self) -> usize {
        let lengths = (1..self.token.len()).rev();
        let begins = |length: &usize| {
            let beginning = self.token.get(..*length).unwrap_or_default();
            self.held.ends_with(beginning)
        };
        lengths.into_iter().find(begins).unwrap_or(0)
    }
}

fn find(bytes: &[u8], token: &[u8]) -> Option<usize> {
    let first = *token.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(token) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    const TOKEN: &str = "0123456789abcdef";

    /// The output and the rest, for bytes in pieces of `size`.
    #[track_caller]
    fn scanned(bytes: &[u8], size: usize) -> (Vec<u8>, Option<String>) {
        let mut scanner = Scanner::new(TOKEN);
        let (mut output, mut rest) = (Vec::new(), None);
        for piece in bytes.chunks(size) {
            assert_eq!(rest, None, "bytes after the end");
            rest = scanner.take(piece, &mut &mut output).unwrap();
        }
        (output, rest)
    }

    #[test]
    fn the_end_is_found_however_the_bytes_come() {
        let output = b"\0\xff012345678\n0123456789abcde0\n";
        let bytes = [output, TOKEN.as_bytes(), b" 7\n"].concat();
        for size in 1..=bytes.len() {
            assert_eq!(
                scanned(&bytes, size),
                (output.to_vec(), Some("7".to_owned())),
                "{size}"
            );
        }
    }

    #[test]
    fn only_what_may_be_the_token_waits_for_more() {
        let (output, rest) = scanned(b"line\n", 5);
        assert_eq!((&output[..], rest), (&b"line\n"[..], None));
        let (output, rest) = scanned(b"line 012", 3);
        assert_eq!((&output[..], rest), (&b"line "[..], None));
    }
}
