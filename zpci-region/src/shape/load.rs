//! Rules about one load.

use crate::access::Load;
use crate::judgement::{Judgement, Refusal};
use crate::request::RESULT_LEN;
use crate::rule::{Observer, Rule};

use super::empty::empty;
use super::store::buffer;
use super::{BarRole, ShapeChecker, outside_failure};

impl ShapeChecker {
    /// Judges a load before it is carried out.
    ///
    /// `observer` receives every broken rule. If this load ends a run of pieces, the run is reported first.
    ///
    /// # Errors
    /// A rule rejects the load: it must not reach the device.
    pub fn load(&mut self, load: &Load, observer: &mut dyn Observer) -> Result<(), Refusal> {
        self.settle(observer);
        let Load {
            path,
            pcias,
            offset,
            len,
            gaddr,
        } = *load;
        if len == 0 {
            return Err(empty("load", pcias, offset));
        }
        let region = !path.is_bar();
        let mut judgement = Judgement::new(&self.config.rules, observer, load);
        let Some(bar) = self.bar(pcias, offset, len) else {
            let failure = outside_failure(path);
            judgement.broken_with(Rule::OutsideBar, failure, || {
                self.outside(pcias, offset, len)
            });
            return judgement.verdict();
        };
        if bar.role == BarRole::Other {
            return Ok(());
        }
        let place = || format!("load of {len} bytes at offset {offset:#x} of BAR {pcias}");
        if region && len > RESULT_LEN {
            judgement.broken(Rule::LoadTooLong, || {
                format!("{}: expected at most 8", place())
            });
            return judgement.verdict();
        }
        let crosses = (offset % 8).saturating_add(len as u64) > 8;
        if region && crosses {
            judgement.broken(Rule::LoadCrosses8, || {
                format!("{}: expected bytes of one doubleword", place())
            });
        }
        if bar.role == BarRole::Data {
            judgement.broken(Rule::LoadFromDataBar, || {
                format!("{}: expected only stores in the data space", place())
            });
        } else if !offset.is_multiple_of(8) || !len.is_multiple_of(8) {
            judgement.broken(Rule::OddCommandLoad, || {
                format!("{}: expected aligned doublewords", place())
            });
        }
        if let Some(gaddr) = gaddr {
            // The result is a whole register, for any length of the load.
            buffer("load", gaddr, RESULT_LEN, &mut judgement);
        }
        judgement.verdict()
    }
}
