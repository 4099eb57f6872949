//! Builds one line of the event file without allocations.

use std::borrow::Cow;

/// Appends a JSON object to a buffer. Keys must be plain text without escapes.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// The separator that comes before the next key.
    before: u8,
}

impl<'a> Object<'a> {
    /// Begins a JSON object.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, before: b'{' }
    }

    fn key(&mut self, key: &str) {
        self.out.extend_from_slice(&[self.before, b'"']);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.before = b',';
    }

    /// Adds a key with a number.
    pub(super) fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        decimal(self.out, value);
        self
    }

    /// Adds a key with a number, if there is one.
    pub(super) fn optional(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// Adds a key with a text, with JSON escapes.
    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        quoted(self.out, value);
        self
    }

    /// Adds a key with a list of texts.
    pub(super) fn texts(mut self, key: &str, values: &[Cow<'_, str>]) -> Self {
        self.key(key);
        self.out.push(b'[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            quoted(self.out, value);
        }
        self.out.push(b']');
        self
    }

    /// Adds a key with true or false.
    pub(super) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(text);
        self
    }

    /// Adds a key with bytes as lower-case hexadecimal text.
    pub(super) fn hex(mut self, key: &str, bytes: &[u8]) -> Self {
        self.key(key);
        self.out.push(b'"');
        hexadecimal(self.out, bytes);
        self.out.push(b'"');
        self
    }

    /// Adds the members of another object, given as JSON text.
    pub(super) fn members(self, object: &[u8]) -> Self {
        let inside = object
            .strip_prefix(b"{")
            .and_then(|object| object.strip_suffix(b"}"));
        if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
            self.out.push(self.before);
            self.out.extend_from_slice(inside);
        }
        self
    }

    /// Ends the object and the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: &u8| (b' '..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing a string into memory does not fail.
        let _ = serde_json::to_writer(out, text);
    }
}

fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    // The text is written in pieces, because a large room in `out` would first be filled with zeros.
    const PIECE: usize = 256;
    let mut digits = [0; 2 * PIECE];
    for piece in bytes.chunks(PIECE) {
        let digits = &mut digits[..2 * piece.len()];
        // This fails only if the room has another length.
        let _ = const_hex::encode_to_slice(piece, &mut *digits);
        out.extend_from_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(build: impl FnOnce(Object<'_>)) -> String {
        let mut out = Vec::new();
        build(Object::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_is_what_json_writers_write() {
        let bytes: Vec<u8> = (0..=255).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let names = ["plain", "a \"b\"", "back\\slash", "tab\t", "ü"].map(Cow::from);
        let line = text(|line| {
            line.number("n", u64::MAX)
                .number("z", 0)
                .flag("f", false)
                .texts("t", &names)
                .text("u", &names[1])
                .hex("h", &bytes)
                .end();
        });
        let expected = format!(
            "{{\"n\":{},\"z\":0,\"f\":false,\"t\":{},\"u\":{},\"h\":\"{hex}\"}}\n",
            u64::MAX,
            serde_json::to_string(&names).unwrap(),
            serde_json::to_string(&names[1]).unwrap(),
        );
        assert_eq!(line, expected);
    }
}
