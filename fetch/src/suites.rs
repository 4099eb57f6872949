//! The suites to fetch from.

/// The fetched parts. Each has its own order of suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// QEMU.
    Qemu,
    /// The plain guest's kernel and busybox.
    Guest,
    /// The lab's kernels, and the compilers for their modules.
    Lab,
}

const ALL: &str = "VFIO_USER_ISM_SUITES";

/// Major and minor number of a series.
type Numbers = (u32, u32);

/// Suites with kernels: the suite, and its first and last series.
const KERNELS: [(&str, Numbers, Numbers); 11] = [
    ("trixie", (6, 12), (6, 12)),
    ("trixie-security", (6, 12), (6, 12)),
    ("trixie-updates", (6, 12), (6, 12)),
    ("bookworm-backports", (6, 2), (6, 12)),
    ("trixie-backports", (6, 13), (99, 99)),
    ("forky", (6, 13), (99, 99)),
    ("sid", (6, 13), (99, 99)),
    ("bookworm", (6, 1), (6, 1)),
    ("bookworm-security", (6, 1), (6, 1)),
    ("bookworm-updates", (6, 1), (6, 1)),
    ("forky-backports", (7, 0), (99, 99)),
];

impl For {
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Qemu => &["VFIO_USER_ISM_QEMU_SUITES"],
            Self::Guest => &["VFIO_USER_ISM_GUEST_SUITES", "VFIO_USER_ISM_GUEST_SUITE"],
            Self::Lab => &["VFIO_USER_ISM_LAB_SUITES"],
        }
    }
}

/// The suites that the user chose. They replace the known ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suites(Option<Vec<String>>);

impl Suites {
    /// The suites in `list`, separated by commas or white space. An empty list chooses none.
    pub fn named(list: &str) -> Self {
        let names = list.split(|c: char| c == ',' || c.is_whitespace());
        let names: Vec<_> = names.filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Self((!names.is_empty()).then_some(names))
    }

    /// The chosen suites, or those that an environment variable chooses for `what`.
    pub(crate) fn chosen(&self, what: For) -> Option<Vec<String>> {
        let variables = what.variables().iter().chain([&ALL]);
        let set = |name| Self::named(&std::env::var(name).unwrap_or_default()).0;
        self.0
            .clone()
            .or_else(|| variables.into_iter().find_map(set))
    }
}

/// The suites for QEMU, best first.
pub(crate) fn of_qemu() -> Vec<String> {
    owned(&[
        "trixie-backports",
        "forky",
        "sid",
        "bookworm-backports",
        "forky-backports",
    ])
}

/// The suites for a compiler, best first.
pub(crate) fn of_compiler() -> Vec<String> {
    owned(&["trixie", "bookworm", "forky", "sid"])
}

/// The suites that may have kernels of `series`. Without a series, all of them.
pub(crate) fn of_kernels(series: Option<Numbers>) -> Vec<String> {
    let known = KERNELS
        .iter()
        .filter(|(_, first, last)| series.is_none_or(|series| (*first..=*last).contains(&series)));
    known.map(|(suite, ..)| (*suite).to_owned()).collect()
}

fn owned(suites: &[&str]) -> Vec<String> {
    suites.iter().map(|suite| (*suite).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_looked_for_where_it_may_be() {
        let old = of_kernels(Some((6, 12)));
        assert_eq!(
            old,
            [
                "trixie",
                "trixie-security",
                "trixie-updates",
                "bookworm-backports"
            ]
        );
        let new = of_kernels(Some((7, 2)));
        assert_eq!(new, ["trixie-backports", "forky", "sid", "forky-backports"]);
        assert_eq!(of_kernels(None).len(), KERNELS.len());
    }

    #[test]
    fn lists_of_names_are_read() {
        assert_eq!(
            Suites::named("a, b  c,").chosen(For::Qemu).unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(Suites::named(" , "), Suites::default());
    }
}
