//! Selects the lines to write among many similar log lines.

/// Number of lines that are always written. Then only every power of two is.
const AT_FIRST: u64 = 5;

/// True if the line for occurrence `times` (from 1) is written: the first five, then every power of two.
/// Counters and the event file contain all occurrences.
pub fn is_due(times: u64) -> bool {
    times <= AT_FIRST || times.is_power_of_two()
}

/// Counts the occurrences of one kind of line.
#[derive(Debug, Default)]
pub struct LogLimit(u64);

impl LogLimit {
    /// Counts an occurrence. Returns the count if a line is due.
    pub fn due(&mut self) -> Option<u64> {
        self.0 = self.0.saturating_add(1);
        is_due(self.0).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_times_give_a_dozen_lines() {
        let mut limit = LogLimit::default();
        let lines: Vec<u64> = (0..1000).filter_map(|_| limit.due()).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 8, 16, 32, 64, 128, 256, 512]);
    }
}
