//! Sorts arguments of `cargo test` by their receiver.

/// Options of `cargo test` whose value is a separate word.
const WITH_VALUE: [&str; 14] = [
    "-p",
    "--package",
    "--exclude",
    "--test",
    "--bin",
    "--example",
    "--bench",
    "--features",
    "-F",
    "--profile",
    "--target",
    "--target-dir",
    "--manifest-path",
    "-j",
];
/// Options that choose programs. With them, cargo runs no documentation tests.
const CHOOSING: [&str; 8] = [
    "--test",
    "--tests",
    "--bin",
    "--bins",
    "--lib",
    "--example",
    "--examples",
    "--all-targets",
];

/// The sorted arguments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Arguments for cargo.
    pub for_cargo: Vec<String>,
    /// Parts of test names.
    pub filters: Vec<String>,
    /// Arguments after `--`, for test programs.
    pub for_tests: Vec<String>,
}

impl Arguments {
    /// Sorts the words of a command line.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut arguments = Self::default();
        let mut words = words;
        while let Some(word) = words.next() {
            if word == "--" {
                arguments.for_tests = words.collect();
                break;
            }
            if !word.starts_with('-') {
                arguments.filters.push(word);
                continue;
            }
            let has_value = WITH_VALUE.contains(&word.as_str());
            arguments.for_cargo.push(word);
            if has_value {
                arguments.for_cargo.extend(words.next());
            }
        }
        arguments
    }

    /// True if the documentation's examples run as well.
    pub(crate) fn wants_doc_tests(&self) -> bool {
        let chooses =
            |word: &String| CHOOSING.contains(&word.split('=').next().unwrap_or_default());
        !self.for_cargo.iter().any(chooses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Arguments {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn values_of_options_are_no_filters() {
        let arguments = parse("-p bench --test runs instr --locked -- --include-ignored --exact");
        assert_eq!(
            arguments.for_cargo,
            ["-p", "bench", "--test", "runs", "--locked"]
        );
        assert_eq!(arguments.filters, ["instr"]);
        assert_eq!(arguments.for_tests, ["--include-ignored", "--exact"]);
    }

    #[test]
    fn documentation_is_tested_unless_programs_are_chosen() {
        assert!(parse("--workspace").wants_doc_tests());
        assert!(!parse("--test=qemu").wants_doc_tests());
        assert!(!parse("--lib -p ism").wants_doc_tests());
    }
}
