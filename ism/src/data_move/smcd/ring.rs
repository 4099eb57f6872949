//! The set of bytes in a ring that were stored.

/// Largest number of ranges. The set is given up beyond it: a sender that needs more is not SMC-D, which
/// needs at most four for one send.
const MAX_RANGES: usize = 64;

/// A set of byte ranges, in ascending order, that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    ranges: Vec<(u64, u64)>,
    unknown: bool,
}

impl Stored {
    /// Adds the range `from..to`.
    pub(super) fn add(&mut self, from: u64, to: u64) {
        if from >= to || self.unknown {
            return;
        }
        let (mut start, mut end) = (from, to);
        self.ranges.retain(|&(other_start, other_end)| {
            let apart = other_end < start || end < other_start;
            if !apart {
                start = start.min(other_start);
                end = end.max(other_end);
            }
            apart
        });
        let at = self.ranges.partition_point(|range| range.0 < start);
        self.ranges.insert(at, (start, end));
        if self.ranges.len() > MAX_RANGES {
            self.ranges.clear();
            self.unknown = true;
        }
    }

    /// True if the set had too many ranges and was given up.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// True if the set contains every byte of `from..to`.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        from >= to
            || self
                .ranges
                .iter()
                .any(|range| range.0 <= from && to <= range.1)
    }

    /// True if the set is exactly `from..to`.
    pub(super) fn is_exactly(&self, from: u64, to: u64) -> bool {
        self.ranges == [(from, to)]
    }

    /// Number of bytes in the set.
    pub(super) fn total(&self) -> u64 {
        self.ranges
            .iter()
            .map(|(from, to)| to.saturating_sub(*from))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[(u64, u64)]) -> Stored {
        let mut stored = Stored::default();
        for (from, to) in ranges {
            stored.add(*from, *to);
        }
        stored
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        assert!(of(&[(0, 4), (4, 8)]).is_exactly(0, 8));
        assert!(of(&[(4, 8), (0, 5)]).is_exactly(0, 8));
        assert!(of(&[(0, 2), (6, 8), (1, 7)]).is_exactly(0, 8));
        assert!(!of(&[(0, 3), (4, 8)]).is_exactly(0, 8));
        assert_eq!(of(&[(0, 3), (4, 8), (4, 4)]).total(), 7);
    }

    #[test]
    fn covering_needs_every_byte() {
        let stored = of(&[(10, 20), (30, 40)]);
        assert!(stored.covers(10, 20) && stored.covers(35, 36) && stored.covers(5, 5));
        assert!(!stored.covers(10, 21) && !stored.covers(9, 12) && !stored.covers(15, 35));
    }

    #[test]
    fn too_many_ranges_are_given_up() {
        let ranges: Vec<_> = (0..65).map(|n| (n * 2, n * 2 + 1)).collect();
        assert!(!of(&ranges[..64]).is_unknown());
        assert!(of(&ranges).is_unknown());
    }
}
