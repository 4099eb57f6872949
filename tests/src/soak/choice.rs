//! Random choices from a seed.

use harness::Draw;

/// A generator of choices.
#[derive(Clone, Debug)]
pub struct Choice(Draw);

impl Choice {
    /// Starts with a seed.
    pub fn new(seed: u64) -> Self {
        Self(Draw::new(seed))
    }

    /// Returns any number.
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// Returns a number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    /// Returns one of the given values.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Returns `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.number() as u8).collect()
    }
}
