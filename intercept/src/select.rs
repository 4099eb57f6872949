//! `--only` and `--skip`: select the cases to run and to report.

use crate::args::Args;
use crate::plan::{Case, Plan};
use crate::report::CaseReport;
use crate::verdict::Verdict;
use thiserror::Error;
use wildmatch::WildMatch;

/// A reason why a selection cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectError {
    /// A selector matches nothing.
    #[error(
        "{flag} {selector:?} matches no case, group or verdict of plan {plan}; --list shows the cases"
    )]
    NoMatch {
        /// The flag with the selector.
        flag: &'static str,
        selector: String,
        plan: String,
    },
    /// The selectors leave no case.
    #[error("--only and --skip leave no case of plan {plan}; --list shows the cases")]
    NothingLeft { plan: String },
}

/// One value of `--only` or `--skip`.
#[derive(Debug, Clone)]
enum Selector {
    Verdict(Verdict),
    Pattern(WildMatch),
}

impl Selector {
    fn parse(text: &str) -> Self {
        Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.name() == text)
            .map_or_else(|| Self::Pattern(WildMatch::new(text)), Self::Verdict)
    }

    fn matches(&self, case: &Case) -> bool {
        matches!(self, Self::Pattern(pattern) if pattern.matches(&case.id) || pattern.matches(&case.group))
    }
}

/// The selectors of `--only` and `--skip`.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    only: Vec<Selector>,
    skip: Vec<Selector>,
}

impl Selection {
    /// The selection from `args`.
    pub(crate) fn new(args: &Args) -> Self {
        let parse = |texts: &[String]| texts.iter().map(|text| Selector::parse(text)).collect();
        Self {
            only: parse(&args.only),
            skip: parse(&args.skip),
        }
    }

    /// Removes from `plan` the cases that must not run.
    ///
    /// # Errors
    /// A selector that matches nothing: it is a mistake.
    pub(crate) fn apply(&self, args: &Args, plan: &mut Plan) -> Result<(), SelectError> {
        self.check(args, plan)?;
        let mut follows = true;
        plan.cases.retain_mut(|case| {
            let kept = self.keeps(case);
            // A case cannot directly follow one that does not run.
            case.joined &= follows;
            follows = kept;
            kept
        });
        Ok(())
    }

    /// Checks that each selector matches a case of `plan`, and that they leave one.
    ///
    /// # Errors
    /// See [`Self::apply`].
    pub(crate) fn check(&self, args: &Args, plan: &Plan) -> Result<(), SelectError> {
        let given = args
            .only
            .iter()
            .zip(&self.only)
            .map(|pair| ("--only", pair));
        let skipped = args
            .skip
            .iter()
            .zip(&self.skip)
            .map(|pair| ("--skip", pair));
        for (flag, (text, selector)) in given.chain(skipped) {
            let pattern = matches!(selector, Selector::Pattern(_));
            if pattern && !plan.cases.iter().any(|case| selector.matches(case)) {
                return Err(SelectError::NoMatch {
                    flag,
                    selector: text.clone(),
                    plan: plan.name.clone(),
                });
            }
        }
        if !self.is_whole() && !plan.cases.iter().any(|case| self.keeps(case)) {
            return Err(SelectError::NothingLeft {
                plan: plan.name.clone(),
            });
        }
        Ok(())
    }

    fn keeps(&self, case: &Case) -> bool {
        let patterns = |selectors: &[Selector]| {
            selectors
                .iter()
                .any(|selector| matches!(selector, Selector::Pattern(_)))
        };
        let wanted =
            !patterns(&self.only) || self.only.iter().any(|selector| selector.matches(case));
        wanted && !self.skip.iter().any(|selector| selector.matches(case))
    }

    /// Whether all cases run and are reported.
    pub(crate) fn is_whole(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }

    /// Whether the report contains a case.
    pub(crate) fn reports(&self, case: &CaseReport) -> bool {
        let has = |selectors: &[Selector]| {
            let mut any = false;
            let hit = selectors.iter().any(|selector| match selector {
                Selector::Verdict(verdict) => {
                    any = true;
                    case.verdicts.contains(verdict)
                }
                Selector::Pattern(_) => false,
            });
            (any, hit)
        };
        let (by_verdict, wanted) = has(&self.only);
        let (_, unwanted) = has(&self.skip);
        // A recorded run, or that of an own kernel, has cases that a name or a group leaves out.
        self.keeps(&case.case) && (!by_verdict || wanted) && !unwanted
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;
    use crate::args::Args;
    use crate::plan::{Case, Instruction, Plan};

    fn select(only: &[&str], skip: &[&str]) -> Result<Vec<String>, String> {
        let case = |id: &str, group: &str, joined| Case {
            joined,
            ..Case::new(id, group, Instruction::Pcistb)
        };
        let mut plan = Plan {
            name: "small".into(),
            cases: vec![
                case("load-1", "load", false),
                case("store-1", "store", false),
                case("store-22", "store", true),
                case("store-3", "store", true),
            ],
            ..Plan::default()
        };
        let args = Args {
            only: only.iter().map(ToString::to_string).collect(),
            skip: skip.iter().map(ToString::to_string).collect(),
            ..Args::default()
        };
        Selection::new(&args)
            .apply(&args, &mut plan)
            .map_err(|error| error.to_string())?;
        Ok(plan
            .cases
            .iter()
            .map(|case| format!("{}{}", case.id, if case.joined { "+" } else { "" }))
            .collect())
    }

    #[test]
    fn groups_names_and_patterns_choose() {
        let chosen = |only: &[&str], skip: &[&str]| select(only, skip).expect("matches");
        assert_eq!(chosen(&["load"], &[]), ["load-1"]);
        assert_eq!(
            chosen(&["store-*"], &[]),
            ["store-1", "store-22+", "store-3+"]
        );
        assert_eq!(chosen(&["store-?"], &[]), ["store-1", "store-3"]);
        assert_eq!(chosen(&[], &["store"]), ["load-1"]);
        assert_eq!(chosen(&["load", "store-3"], &["load-1"]), ["store-3"]);
    }

    #[test]
    fn verdicts_do_not_choose_what_runs() {
        assert_eq!(select(&["lost"], &["split"]).expect("is one").len(), 4);
    }

    #[test]
    fn a_selector_that_matches_nothing_is_a_mistake() {
        assert_eq!(
            select(&[], &["sotre"]).expect_err("refused"),
            "--skip \"sotre\" matches no case, group or verdict of plan small; --list shows the cases"
        );
        assert_eq!(
            select(&["load"], &["load"]).expect_err("refused"),
            "--only and --skip leave no case of plan small; --list shows the cases"
        );
    }
}
