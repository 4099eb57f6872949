//! One file of QEMU, and the places that an edit names in it.

/// A place in a file.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The definition (function, structure, array) that holds the place. `None` is the whole file.
    pub within: Option<&'static str>,
    /// A word. The place is the only line that contains it.
    pub word: &'static str,
    /// The way of inserting the text.
    pub how: How,
}

/// A way of inserting a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Lines before the line.
    Before,
    /// Lines after the line.
    Behind,
    /// Lines after the block of braces that the line opens.
    BehindBlock,
    /// Instead of the word itself.
    Instead,
    /// Instead of the line. An empty text deletes it.
    InsteadOfLine,
}

/// A file as lines.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    lines: Vec<String>,
}

impl Source {
    /// Takes a file's text.
    pub(crate) fn new(text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        Self { lines }
    }

    /// The file's text. Every line ends with a newline.
    pub(crate) fn text(&self) -> String {
        self.lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    /// Inserts `text` at `place`.
    ///
    /// # Errors
    /// Says which name is missing, or is there more than once.
    pub(crate) fn edit(&mut self, place: &Place, text: &str) -> Result<(), String> {
        let (start, end) = self.definition(place.within)?;
        let mut found = (start..end).filter(|at| position(&self.lines[*at], place.word).is_some());
        let at = match (found.next(), found.next(), place.within) {
            (Some(at), None, _) => at,
            (Some(_), Some(_), Some(name)) => {
                return Err(format!("{name} holds {} more than once", place.word));
            }
            (Some(_), Some(_), None) => return Err(format!("more than one {}", place.word)),
            (None, _, Some(name)) => return Err(format!("{name} holds no {}", place.word)),
            (None, _, None) => return Err(format!("no {}", place.word)),
        };
        let new = text.lines().map(str::to_owned);
        let insert_at = match place.how {
            How::InsteadOfLine => {
                self.lines.splice(at..=at, new);
                self.close_up(at);
                return Ok(());
            }
            How::Before => at,
            How::Behind => at + 1,
            How::BehindBlock => self.block_end(at, end, place.word)? + 1,
            How::Instead => {
                let line = &mut self.lines[at];
                if let Some(from) = position(line, place.word) {
                    line.replace_range(from..from + place.word.len(), text);
                }
                return Ok(());
            }
        };
        self.lines.splice(insert_at..insert_at, new);
        Ok(())
    }

    /// Removes the empty line before `at` if `at` closes a block.
    fn close_up(&mut self, at: usize) {
        let closes = self.lines.get(at).is_some_and(|line| line.trim() == "}");
        let before = at.checked_sub(1).filter(|_| closes);
        if let Some(before) = before.filter(|b| self.lines[*b].trim().is_empty()) {
            self.lines.remove(before);
        }
    }

    /// The lines of the definition of `name`, from its first to its last line.
    fn definition(&self, name: Option<&str>) -> Result<(usize, usize), String> {
        let Some(name) = name else {
            return Ok((0, self.lines.len()));
        };
        for (at, line) in self.lines.iter().enumerate() {
            let starts = line.starts_with(|first: char| first.is_ascii_alphabetic());
            if !starts || position(line, name).is_none() {
                continue;
            }
            // A declaration ends before a brace opens.
            let head = self.lines[at..].iter().take(12);
            let opens = head.clone().position(|line| line.contains('{'));
            let ends = head.clone().position(|line| line.trim_end().ends_with(';'));
            let Some(opens) = opens.filter(|opens| ends.is_none_or(|ends| *opens <= ends)) else {
                continue;
            };
            let body = self.lines.iter().enumerate().skip(at + opens);
            if let Some((end, _)) = body.into_iter().find(|(_, line)| line.starts_with('}')) {
                return Ok((at, end + 1));
            }
        }
        Err(format!("no definition of {name}"))
    }

    /// The line that closes the block of line `at`.
    fn block_end(&self, at: usize, end: usize, word: &str) -> Result<usize, String> {
        let mut depth = 0_i32;
        for (number, line) in self.lines.iter().enumerate().take(end).skip(at) {
            for byte in line.bytes() {
                match byte {
                    b'{' => depth += 1,
                    b'}' => depth -= 1,
                    _ => continue,
                }
                if depth == 0 {
                    return Ok(number);
                }
            }
        }
        Err(format!("no block begins at {word}"))
    }
}

/// The position of `word` in `line` as a whole word, not as a part of a longer name.
fn position(line: &str, word: &str) -> Option<usize> {
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = line.as_bytes();
    let mut found = line.match_indices(word).map(|(at, _)| at);
    found.find(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !part(before) && !part(bytes.get(at + word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::{How, Place, Source};

    const FILE: &str = "\
int stop(int);
static int go(int many,
              int more)
{
    if (many > LIMIT) {
        stop(1);
    }
    return go_on(more);
}
int stop(int code)
{
    return code;
}
";

    fn edited(
        within: Option<&'static str>,
        word: &'static str,
        how: How,
    ) -> Result<String, String> {
        let mut source = Source::new(FILE);
        source.edit(&Place { within, word, how }, "NEW")?;
        Ok(source.text())
    }

    #[test]
    fn a_text_goes_before_behind_or_instead_of_a_word_in_a_definition() {
        let before = edited(Some("stop"), "int code", How::Before).unwrap();
        assert!(before.contains("}\nNEW\nint stop(int code)"), "{before}");
        let behind = edited(Some("go"), "stop", How::Behind).unwrap();
        assert!(behind.contains("stop(1);\nNEW\n    }"), "{behind}");
        let block = edited(Some("go"), "LIMIT", How::BehindBlock).unwrap();
        assert!(block.contains("    }\nNEW\n    return"), "{block}");
        let instead = edited(Some("go"), "go_on", How::Instead).unwrap();
        assert!(instead.contains("return NEW(more);"), "{instead}");
        let line = edited(Some("stop"), "return", How::InsteadOfLine).unwrap();
        assert!(line.ends_with("int stop(int code)\n{\nNEW\n}\n"), "{line}");
        assert_eq!(Source::new(FILE).text(), FILE);
    }

    #[test]
    fn names_that_are_missing_are_named() {
        assert_eq!(
            edited(Some("halt"), "x", How::Before).unwrap_err(),
            "no definition of halt"
        );
        // A part of a longer name does not count.
        assert_eq!(
            edited(Some("go"), "on", How::Before).unwrap_err(),
            "go holds no on"
        );
        assert_eq!(
            edited(None, "MISSING", How::Before).unwrap_err(),
            "no MISSING"
        );
        // Either place may be the wrong one.
        assert_eq!(
            edited(Some("go"), "int", How::Before).unwrap_err(),
            "go holds int more than once"
        );
        assert_eq!(
            edited(None, "int", How::Before).unwrap_err(),
            "more than one int"
        );
        assert_eq!(
            edited(Some("stop"), "return", How::BehindBlock).unwrap_err(),
            "no block begins at return"
        );
    }
}
