//! Reads `exceptions.txt`: tests that an emulator cannot run, by the system call that it lacks.

/// A test that must fail under emulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) program: String,
    pub(crate) test: String,
    /// The system call that the emulator lacks.
    pub(crate) call: String,
    /// A part of the failure's text.
    pub(crate) words: String,
}

/// All exceptions of a file.
#[derive(Debug, Default)]
pub(crate) struct Exceptions(pub(crate) Vec<Exception>);

impl Exceptions {
    /// Reads the file of the repository.
    #[track_caller]
    pub(crate) fn listed() -> Self {
        Self::read(include_str!("exceptions.txt"))
            .unwrap_or_else(|error| panic!("exceptions.txt: {error}"))
    }

    /// Reads such a file. `CALL: COUNT: why (WORDS)` is the line of a system call; its tests follow, one in
    /// each line, as `    PROGRAM TEST`. `#` begins a comment.
    ///
    /// # Errors
    /// The line with another form, or a count that differs from the number of its tests.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut exceptions = Vec::new();
        let mut head: Option<(String, usize, String)> = None;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let check = |head: &Option<(String, usize, String)>, all: &[Exception]| match head {
            Some((call, count, _)) => {
                let found = all.iter().filter(|one| one.call == *call).count();
                let wrong = || format!("{call}: says {count} tests, and has {found}");
                (found == *count).then_some(()).ok_or_else(wrong)
            }
            None => Ok(()),
        };
        for line in lines {
            let unclear = || format!("not understood: {line}");
            if let Some(rest) = line.strip_prefix("    ") {
                let (program, test) = rest.split_once(' ').ok_or_else(unclear)?;
                let (call, _, words) = head.as_ref().ok_or_else(unclear)?;
                exceptions.push(Exception {
                    program: program.to_owned(),
                    test: test.to_owned(),
                    call: call.clone(),
                    words: words.clone(),
                });
                continue;
            }
            check(&head, &exceptions)?;
            let mut parts = line.splitn(3, ": ");
            let mut next = || parts.next().ok_or_else(unclear);
            let (call, count, why) = (next()?, next()?, next()?);
            let words = why
                .rsplit_once(" (")
                .and_then(|(_, words)| words.strip_suffix(')'));
            let count = count.parse().map_err(|_| unclear())?;
            let words = words
                .filter(|words| !words.is_empty())
                .ok_or_else(unclear)?;
            head = Some((call.to_owned(), count, words.to_owned()));
        }
        check(&head, &exceptions)?;
        Ok(Self(exceptions))
    }

    /// The exceptions of one program.
    pub(crate) fn of<'a>(&'a self, program: &'a str) -> impl Iterator<Item = &'a Exception> {
        self.0.iter().filter(move |one| one.program == program)
    }
}

#[test]
fn a_line_that_says_nothing_and_a_wrong_count_are_told() {
    let good = "# why\nmemfd_create: 1: no pages (ENOENT)\n    server/lib a::b\n";
    let read = Exceptions::read(good).expect("reads");
    assert_eq!(read.of("server/lib").count(), 1);
    assert_eq!(
        (&*read.0[0].call, &*read.0[0].words),
        ("memfd_create", "ENOENT")
    );
    for bad in [
        good.replace(": 1:", ": 2:"),
        good.replace(" (ENOENT)", ""),
        good.replace("    server", "server"),
        format!("    server/lib a\n{good}"),
    ] {
        assert!(Exceptions::read(&bad).is_err(), "{bad}");
    }
    Exceptions::listed();
}
