//! The random numbers behind `probability`.
//!
//! Each fault has one sequence for each function. The sequence depends only on the fault's seed and id and on
//! the function's name. So neither the order of the functions nor their accesses to each other change it.

/// A sequence of 64-bit numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Creates the sequence for this seed, fault and function.
    pub(super) fn new(seed: u64, id: &str, function: &str) -> Self {
        let start = mix(seed ^ hash(id));
        Self(mix(start ^ hash(function)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns true with this probability. Takes one number of the sequence.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        // An f64 holds 53 bits exactly, so both conversions lose nothing below 2^53.
        let drawn = (self.next() >> 11) as f64;
        drawn < probability * (1_u64 << 53) as f64
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Computes the FNV-1a hash of a text.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_and_always_are_exact_and_between_them_it_is_about_right() {
        let mut random = Random::new(1, "a", "ism0");
        assert!((0..1000).all(|_| !random.happens(0.0)));
        assert!((0..1000).all(|_| random.happens(1.0)));
        let times = (0..10_000).filter(|_| random.happens(0.25)).count();
        assert!((2300..2700).contains(&times), "{times}");
    }

    #[test]
    fn seed_id_and_function_each_make_another_sequence() {
        let first = |seed, id, function| Random::new(seed, id, function).next();
        let one = first(1, "a", "ism0");
        assert_eq!(one, first(1, "a", "ism0"));
        for other in [
            first(2, "a", "ism0"),
            first(1, "b", "ism0"),
            first(1, "a", "ism1"),
        ] {
            assert_ne!(one, other);
        }
    }
}
