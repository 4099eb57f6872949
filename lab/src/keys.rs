//! Keys for the lab, which do not go to the guest.

/// Ctrl-]. The next key is for the lab.
const ESCAPE: u8 = 0x1d;

/// The action of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// The bytes go to the guest.
    Typed(Vec<u8>),
    /// Show the console of this guest.
    Guest(usize),
    /// Show the console of the next guest.
    Next,
    /// Show the list of keys.
    Help,
    /// Leave the console.
    Quit,
}

/// Separates the lab's keys from the guest's.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    escaped: bool,
}

impl Keys {
    /// The list of keys.
    pub(crate) const HELP: &str = "console: Ctrl-] and then q ends the lab, 0 to 9 shows that guest, n the \
                            next one, Ctrl-] sends Ctrl-], ? shows this";

    /// The actions for these bytes, in order. Unknown keys after Ctrl-] do nothing.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut typed = Vec::new();
        for &byte in bytes {
            if !self.escaped && byte == ESCAPE {
                self.escaped = true;
                continue;
            }
            let key = match byte {
                _ if !self.escaped => None,
                b'q' | b'Q' => Some(Key::Quit),
                b'n' | b'N' => Some(Key::Next),
                b'?' | b'h' => Some(Key::Help),
                b'0'..=b'9' => Some(Key::Guest(usize::from(byte - b'0'))),
                _ => None,
            };
            if !self.escaped || byte == ESCAPE {
                typed.push(byte);
            }
            self.escaped = false;
            if let Some(key) = key {
                if !typed.is_empty() {
                    keys.push(Key::Typed(std::mem::take(&mut typed)));
                }
                keys.push(key);
            }
        }
        if !typed.is_empty() {
            keys.push(Key::Typed(typed));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Keys};

    fn typed(text: &str) -> Key {
        Key::Typed(text.as_bytes().to_vec())
    }

    #[test]
    fn only_the_key_behind_the_escape_is_the_labs() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"q1\x03"), [typed("q1\x03")]);
        assert_eq!(
            keys.take(b"a\x1d1b\x1dn\x1d\x1dc\x1dq"),
            [
                typed("a"),
                Key::Guest(1),
                typed("b"),
                Key::Next,
                typed("\x1dc"),
                Key::Quit
            ]
        );
        assert_eq!(keys.take(b"\x1d~x"), [typed("x")]);
        assert_eq!(keys.take(b"\x1d?x"), [Key::Help, typed("x")]);
    }

    #[test]
    fn the_escape_may_come_alone() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x1d"), []);
        assert_eq!(keys.take(b"q"), [Key::Quit]);
    }
}
