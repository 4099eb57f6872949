//! Puts the two sides of a round trip on two processors while they are measured.
//!
//! Whether they share one makes a difference of several times, and the system leaves either as it
//! came about: so what is compared has its sides on the same two processors, apart.

use std::fs;
use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two processors, and the processors that this thread had before.
#[derive(Debug)]
pub(super) struct Apart {
    far: CpuSet,
    all: CpuSet,
}

impl Apart {
    /// Moves the calling thread to its first processor. `None` if it has only one.
    pub(super) fn begin() -> io::Result<Option<Self>> {
        let all = sched_getaffinity(None)?;
        let mut own = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number));
        let (Some(first), Some(second)) = (own.next(), own.next()) else {
            return Ok(None);
        };
        let only = |number| {
            let mut set = CpuSet::new();
            set.set(number);
            set
        };
        sched_setaffinity(None, &only(first))?;
        let far = only(second);
        Ok(Some(Self { far, all }))
    }

    /// Moves every thread of a process to the other processor.
    pub(super) fn take(&self, process: u32) -> io::Result<()> {
        place(process, &self.far)
    }

    /// Gives all processors back to a process and to the calling thread.
    pub(super) fn end(&self, process: u32) -> io::Result<()> {
        sched_setaffinity(None, &self.all)?;
        place(process, &self.all)
    }
}

fn place(process: u32, processors: &CpuSet) -> io::Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = thread?.file_name();
        let id = name.to_str().and_then(|id| id.parse().ok());
        match sched_setaffinity(id.and_then(Pid::from_raw), processors) {
            // The process may have ended.
            Err(rustix::io::Errno::SRCH) => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_sides_are_apart_until_it_ends() {
        let before = sched_getaffinity(None).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let of = || sched_getaffinity(Pid::from_raw(i32::try_from(id).unwrap())).unwrap();
        if let Some(apart) = Apart::begin().unwrap() {
            apart.take(id).unwrap();
            let near = sched_getaffinity(None).unwrap();
            assert_eq!((near.count(), of()), (1, apart.far));
            assert_ne!(near, apart.far);
            apart.end(id).unwrap();
        }
        assert_eq!(of(), before);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
