//! A suite's signed table of contents: `InRelease`.

use std::time::{Duration, SystemTime};

use super::control;

/// Most time by which a mirror's clock may be ahead of this machine's clock.
const AHEAD: Duration = Duration::from_secs(3600);

/// The signed content of a suite's release.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    text: String,
}

/// A file that a release names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Path of the file below the suite's folder.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) sha256: String,
}

impl Release {
    /// Reads the signed text of the release of `suite`. With `now`, its dates must be valid then.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn new(text: String, suite: &str, now: Option<SystemTime>) -> Result<Self, String> {
        let release = Self { text };
        let names = [release.get("Suite"), release.get("Codename")];
        if !names.contains(&Some(suite)) {
            let names: Vec<_> = names.into_iter().flatten().collect();
            return Err(format!("its release is that of {}", names.join(" or ")));
        }
        if let Some(now) = now {
            release.check_dates(now)?;
        }
        Ok(release)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        control::paragraphs(&self.text).next()?.get(name)
    }

    /// Whether the mirror also serves files by their hash.
    pub(crate) fn by_hash(&self) -> bool {
        self.get("Acquire-By-Hash") == Some("yes")
    }

    pub(crate) fn listed(&self, path: &str) -> Option<Listed> {
        let paragraph = control::paragraphs(&self.text).next()?;
        let found = paragraph.lines("SHA256").find_map(|line| {
            let mut words = line.split_whitespace();
            let (sha256, bytes, name) = (words.next()?, words.next()?, words.next()?);
            (name == path).then(|| Some((sha256.to_ascii_lowercase(), bytes.parse().ok()?)))
        });
        let (sha256, bytes) = found??;
        Some(Listed {
            path: path.to_owned(),
            bytes,
            sha256,
        })
    }

    fn check_dates(&self, now: SystemTime) -> Result<(), String> {
        // If this machine's clock is wrong, every suite fails here.
        let clock = format!(
            " (this machine's clock says {})",
            httpdate::fmt_http_date(now)
        );
        let Some(date) = self.get("Date") else {
            return Err("its release has no date".to_owned());
        };
        if time(date).ok_or_else(|| format!("its release's date is {date:?}"))? > now + AHEAD {
            return Err(format!("its release is of the future: {date}{clock}"));
        }
        match self.get("Valid-Until") {
            None => Ok(()),
            Some(end) if time(end).is_some_and(|end| end >= now) => Ok(()),
            Some(end) => Err(format!(
                "its release expired: it was valid until {end}{clock}"
            )),
        }
    }
}

/// Parses a date such as `Sat, 21 Nov 2026 09:15:44 UTC`.
fn time(date: &str) -> Option<SystemTime> {
    let date = date.replace("UTC", "GMT").replace("+0000", "GMT");
    httpdate::parse_http_date(&date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\n\
        Date: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n\
        Acquire-By-Hash: yes\nMD5Sum:\n 11 7 main/a\nSHA256:\n AB 7 main/a\n 02 x main/b\n";

    fn at(date: &str) -> Option<SystemTime> {
        Some(time(date).unwrap())
    }

    fn new(text: &str, now: &str) -> Result<Release, String> {
        Release::new(text.to_owned(), "trixie", at(now))
    }

    #[test]
    fn files_come_from_the_strong_list() {
        let release = new(TEXT, "Sun, 22 Nov 2026 00:00:00 UTC").unwrap();
        let listed = release.listed("main/a").unwrap();
        assert_eq!((listed.sha256.as_str(), listed.bytes), ("ab", 7));
        assert_eq!(release.listed("main/b"), None);
        assert!(release.by_hash());
    }

    #[test]
    fn dates_and_names_must_fit() {
        let expired = new(TEXT, "Sun, 29 Nov 2026 00:00:00 UTC").unwrap_err();
        assert!(expired.contains("valid until Sat, 28 Nov"), "{expired}");
        let early = new(TEXT, "Fri, 20 Nov 2026 00:00:00 UTC").unwrap_err();
        assert!(early.contains("of the future"), "{early}");
        let without = TEXT.replace("Date:", "Data:");
        assert!(new(&without, "Sun, 22 Nov 2026 00:00:00 UTC").is_err());
        assert!(Release::new(TEXT.to_owned(), "trixie", None).is_ok());
        assert!(Release::new(TEXT.to_owned(), "stable", None).is_ok());
        let other = Release::new(TEXT.to_owned(), "sid", None).unwrap_err();
        assert_eq!(other, "its release is that of stable or trixie");
    }
}
