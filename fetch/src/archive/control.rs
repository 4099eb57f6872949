//! Debian's control format: paragraphs of fields (source: Debian Policy, section 5.1).

/// One paragraph of a control file.
#[derive(Clone, Copy)]
pub(crate) struct Paragraph<'a>(&'a str);

impl<'a> Paragraph<'a> {
    /// The first line of the field `name`, trimmed.
    pub(crate) fn get(self, name: &str) -> Option<&'a str> {
        self.lines(name).next()
    }

    /// The lines of the field `name`: the rest after its colon, then its continuation lines.
    pub(crate) fn lines(self, name: &str) -> impl Iterator<Item = &'a str> {
        let mut inside = false;
        let name = name.to_owned();
        self.0.lines().filter_map(move |line| {
            if line.starts_with([' ', '\t']) {
                return inside.then(|| line.trim());
            }
            let (key, value) = line.split_once(':')?;
            inside = key.eq_ignore_ascii_case(&name);
            inside.then(|| value.trim())
        })
    }
}

/// The paragraphs of `text`. Lines that start with `#` are comments, and end no paragraph.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let parts = text.split("\n\n").map(|part| part.trim_matches('\n'));
    parts.filter(|part| !part.is_empty()).map(Paragraph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_continue_on_indented_lines() {
        let text = "Package: a\nSHA256:\n 01 5 main/x\n 02 6 main/y\nSize: 7\n\n\nPackage: b\n";
        let found: Vec<_> = paragraphs(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("package"), Some("a"));
        assert_eq!(found[0].get("Size"), Some("7"));
        assert_eq!(found[0].get("Absent"), None);
        let lines: Vec<_> = found[0].lines("SHA256").collect();
        assert_eq!(lines, ["", "01 5 main/x", "02 6 main/y"]);
        assert_eq!(found[1].get("Package"), Some("b"));
    }
}
