//! The part of a session that has been read.

use super::dmbs::Dmbs;
use super::lanes::Lanes;
use super::row::Row;

/// A whole session, without the rows of the first level. The caller received those one by one.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Functions, fabrics and guests.
    pub lanes: Lanes,
    /// Every DMB that was registered or used.
    pub dmbs: Dmbs,
    /// Ids of the broken rules, in the order of the first violation.
    pub rules: Vec<String>,
    /// Rows of the second level.
    pub acts: Vec<Row>,
    /// Rows of the third level.
    pub story: Vec<Row>,
    /// Lines in all.
    pub lines: u32,
}

impl Session {
    /// The number of a rule, from 1. 0 if there are too many rules.
    pub(super) fn rule(&mut self, id: &str) -> u8 {
        let at = self.rules.iter().position(|known| known == id);
        let at = at.unwrap_or_else(|| {
            self.rules.push(id.to_owned());
            self.rules.len() - 1
        });
        u8::try_from(at + 1).unwrap_or(0)
    }
}
