//! Counts the descriptors that this process holds, for reports: leaks become visible there.

use rustix::fs::{Dir, Mode, OFlags};

/// The process's folder of descriptors, opened once so that counting opens nothing.
#[derive(Debug)]
pub struct OpenDescriptors(Option<Dir>);

impl OpenDescriptors {
    /// Opens the folder. That needs a mounted `/proc`.
    pub fn new() -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open("/proc/self/fd", flags, Mode::empty());
        Self(folder.and_then(Dir::new).ok())
    }

    /// Number of open descriptors, the folder's own included; `None` without `/proc`.
    pub fn count(&mut self) -> Option<usize> {
        let folder = self.0.as_mut()?;
        folder.rewind();
        let numbers = folder.filter_map(Result::ok);
        let numbers = numbers.filter(|entry| entry.file_name().to_bytes()[0].is_ascii_digit());
        Some(numbers.count())
    }
}

impl Default for OpenDescriptors {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_the_count_of_now() {
        // Other tests of this process also open and close descriptors, so the test opens far more.
        let mut open = OpenDescriptors::new();
        let before = open.count().unwrap();
        let more: Vec<_> = (0..500).map(|_| rustix::pipe::pipe().unwrap()).collect();
        assert!(open.count().unwrap() > before + 900);
        drop(more);
        assert!(open.count().unwrap() < before + 100);
    }
}
