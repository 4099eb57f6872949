//! Debian's cross compilers for s390x.

use crate::archive::Banned;
use crate::error::Error;
use crate::kernel::GUEST_ARCH;
use crate::suites;
use crate::workshop::{Fault, Wanted, Workshop};

/// This package depends on the suite's own version of the compiler.
const META: &str = "gcc-s390x-linux-gnu";

impl Workshop {
    /// Calls `attempt` for one suite after the other, until it works with a suite's compiler. `attempt` gets
    /// the suite and the compiler's name, for example `gcc-12`.
    ///
    /// # Errors
    /// As [`Workshop::with_kernel`].
    pub fn with_compiler<T, E: Fault>(
        &self,
        arch: &str,
        mut attempt: impl FnMut(&str, &str) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tries = self.tries(format_args!("a C compiler for {GUEST_ARCH}"));
        for suite in self.suites(suites::of_compiler()) {
            let name = match self.compiler(&suite, arch) {
                Ok(name) => name,
                Err(error) if error.is_local() => return Err(error.into()),
                Err(error) => {
                    tries.failed(&suite, &error);
                    continue;
                }
            };
            let candidate = format!("{suite}, {name}");
            if let Some(done) = tries.attempt(&candidate, || attempt(&suite, &name))? {
                self.set_suite(&suite);
                return Ok(done);
            }
        }
        Err(tries.nothing_left().into())
    }

    /// The name of the compiler in `suite`, for example `gcc-12`.
    pub(crate) fn compiler(&self, suite: &str, arch: &str) -> Result<String, Error> {
        let names = self.shelf(suite, arch)?.depends(META)?;
        let found = names.iter().find_map(|name| {
            let name = name.strip_suffix("-s390x-linux-gnu")?;
            name.starts_with("gcc-").then(|| name.to_owned())
        });
        found.ok_or_else(|| {
            Error::Packages(format!(
                "{META} depends on no compiler, but on {}",
                names.join(", ")
            ))
        })
    }

    /// Bytes to download for `wanted` and all dependencies.
    pub(crate) fn bytes(&self, suite: &str, arch: &str, wanted: &[Wanted]) -> Result<u64, Error> {
        let shelf = self.shelf(suite, arch)?;
        let relations: Vec<_> = wanted.iter().map(Wanted::relation).collect();
        let found = shelf.lists().resolve(&relations, true, &Banned::new());
        Ok(found
            .map_err(Error::Packages)?
            .iter()
            .map(|record| record.bytes)
            .sum())
    }
}

/// The packages of the compiler `gcc`, for example `gcc-12`, for static programs.
pub fn compiler_packages(gcc: &str) -> Vec<Wanted> {
    vec![
        Wanted::any(&format!("{gcc}-s390x-linux-gnu")),
        Wanted::any("libc6-dev-s390x-cross"),
    ]
}
