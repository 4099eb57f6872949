//! Reads plans from JSON. Errors name the file, the key and the expected value.

use super::{
    CHSC_BLOCK, Case, FENCE_OFFSET, Instruction, MAX_CASES, Operand, Payload, Plan, SCHEMA_VERSION,
    Translation,
};
use crate::document::{Document, DocumentError};
use crate::probe::{fib, layout};
use std::collections::HashSet;
use std::path::Path;

impl Plan {
    /// Reads and checks a plan file.
    ///
    /// # Errors
    /// A file that cannot be read, or a fault of the plan in it.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let document = Document::new("plan", path);
        document
            .read()
            .and_then(|plan: Self| plan.checked(document))
    }

    fn checked(self, document: Document<'_>) -> Result<Self, DocumentError> {
        match self.check() {
            Ok(()) => Ok(self),
            Err((key, reason)) => Err(document.invalid(&key, reason)),
        }
    }

    /// Finds a fault of the plan: the key's path and the reason.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.schema_version != SCHEMA_VERSION {
            return Err((
                "schema-version".into(),
                format!("is {}, expected {SCHEMA_VERSION}", self.schema_version),
            ));
        }
        if self.cases.is_empty() || self.cases.len() > MAX_CASES {
            return Err((
                "cases".into(),
                format!(
                    "has {} entries, expected 1 to {MAX_CASES}",
                    self.cases.len()
                ),
            ));
        }
        let mut names = HashSet::new();
        for (index, case) in self.cases.iter().enumerate() {
            let at = |key: &str| format!("cases[{index}].{key}");
            if case.id.is_empty() || !names.insert(&case.id) {
                return Err((
                    at("id"),
                    format!("{:?} is empty or used before, expected a new name", case.id),
                ));
            }
            if index == 0 && case.joined {
                return Err((
                    at("joined"),
                    "the first case has none before it to join".into(),
                ));
            }
            check_case(case).map_err(|(key, reason)| (at(key), reason))?;
        }
        Ok(())
    }
}

fn check_case(case: &Case) -> Result<(), (&'static str, String)> {
    let longest = match case.instruction {
        Instruction::Pcistb => 8191,
        Instruction::Pcistbi | Instruction::Pcistgi | Instruction::Pcilgi => 8192,
        Instruction::Pcistg | Instruction::Pcilg => 15,
        Instruction::Rpcit => u64::MAX,
        Instruction::Pciwb
        | Instruction::Mpcifc
        | Instruction::Stpcifc
        | Instruction::Clp
        | Instruction::Sic
        | Instruction::Chsc => 0,
    };
    let (length, name) = (case.length, case.instruction.name());
    let reason = format!("is {length}, {name} takes 0 to {longest}");
    ensure(length <= longest, "length", reason)?;
    let reason = format!("is {}, expected 0 to 15", case.space);
    ensure(case.space <= 15, "space", reason)?;
    let source = case.source;
    let reason = format!("is {source}, expected an offset within a page, 0 to 4095");
    ensure(source <= 4095, "source", reason)?;
    let last = layout::FUNCTIONS - 1;
    let reason = format!("is {}, expected 0 to {last}", case.function);
    ensure(usize::from(case.function) <= last, "function", reason)?;
    let displacement = case.displacement;
    let reason = format!("is {displacement}, expected -524288 to 524287");
    let fits = (-0x8_0000..0x8_0000).contains(&displacement);
    ensure(fits, "displacement", reason)?;
    check_operand(case)?;
    if let Payload::Bytes(bytes) = &case.payload {
        let wanted = match case.instruction {
            Instruction::Mpcifc | Instruction::Stpcifc => fib::LENGTH as u64,
            Instruction::Sic => 8,
            Instruction::Chsc => CHSC_BLOCK as u64,
            // The block contains its lengths.
            Instruction::Clp if bytes.len() <= 8192 => bytes.len() as u64,
            Instruction::Clp => 8192,
            _ => case.length,
        };
        let length = bytes.len() as u64;
        let reason = format!("has {length} bytes, expected {wanted}");
        ensure(length == wanted, "payload", reason)?;
    }
    if let Some(patch) = case.patch {
        let (at, length) = (patch.at, case.payload_length());
        let expected = format!("at most 8 bytes before the end of the {length}-byte payload");
        let reason = format!("is {at}, expected {expected}");
        ensure(at + 8 <= length, "patch.at", reason)?;
    }
    let reaches_fence = case.offset <= FENCE_OFFSET
        && case.offset.saturating_add(case.length.max(1)) > FENCE_OFFSET;
    let is_like_fence =
        case.instruction == Instruction::Pcilg && case.space == 15 && case.length == 4;
    let reason = format!("a load at {FENCE_OFFSET:#x} of config space is the probe's own fence");
    ensure(!(is_like_fence && reaches_fence), "offset", reason)
}

/// Makes an error at this key unless `holds`.
fn ensure(holds: bool, key: &'static str, reason: String) -> Result<(), (&'static str, String)> {
    if holds { Ok(()) } else { Err((key, reason)) }
}

/// Checks that guest memory can hold such a block.
fn check_operand(case: &Case) -> Result<(), (&'static str, String)> {
    let translated = case.translation != Translation::Off;
    let needs = matches!(
        case.operand,
        Operand::PageMissing | Operand::SegmentMissing | Operand::WriteProtected
    );
    let reason = "needs a translation: pages are invalid or protected by tables only";
    ensure(!needs || translated, "operand", reason.into())?;
    let end = usize::from(case.source) + case.payload_length();
    let reaches = case.operand != Operand::SecondPageMissing || end > 4096;
    let reason = format!("is {}, the block does not reach a second page", case.source);
    ensure(reaches, "source", reason)?;
    let in_home = case.translation == Translation::Home && case.problem_state;
    let reason = "problem state has no home space";
    ensure(!in_home, "translation", reason.into())
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::{Document, DocumentError, Path};

    fn from_json(name: &str, text: &str) -> Result<Plan, DocumentError> {
        let document = Document::new("plan", Path::new(name));
        let plan: Plan = document.parse(text)?;
        plan.checked(document)
    }

    fn refusal(text: &str) -> String {
        from_json("mine.json", text)
            .expect_err("must be refused")
            .to_string()
    }

    fn with_case(fields: &str) -> String {
        format!(
            r#"{{"schema-version":1,"name":"x","cases":[{{"id":"a","group":"g","instruction":"pcistb"{fields}}}]}}"#
        )
    }

    #[test]
    fn a_plan_survives_the_way_through_json() {
        let plan = Plan::default();
        assert_eq!(
            from_json("default", &plan.to_json().expect("is JSON")).expect("valid"),
            plan
        );
    }

    #[test]
    fn errors_name_file_key_and_expectation() {
        assert_eq!(
            refusal(&with_case(r#","length":9000"#)),
            "plan mine.json: at cases[0].length: is 9000, pcistb takes 0 to 8191"
        );
        let unknown = refusal(&with_case(r#","lenght":9"#));
        assert!(
            unknown.starts_with("plan mine.json: at cases[0].lenght: unknown field"),
            "{unknown}"
        );
        let kind = refusal(
            r#"{"schema-version":1,"name":"x","cases":[{"id":"a","group":"g","instruction":"pcist"}]}"#,
        );
        assert!(
            kind.contains("cases[0].instruction: unknown variant `pcist`"),
            "{kind}"
        );
        let digits = refusal(&with_case(r#","length":1,"payload":"0g""#));
        assert!(
            digits.contains("cases[0].payload: \"0g\" is neither"),
            "{digits}"
        );
    }

    #[test]
    fn text_after_the_plan_is_refused() {
        let twice = Plan::default().to_json().expect("is JSON").repeat(2);
        let message = refusal(&twice);
        assert!(
            message.contains("at the end: trailing characters"),
            "{message}"
        );
    }

    #[test]
    fn a_field_out_of_bounds_is_refused_with_its_key() {
        for (fields, key) in [
            (r#","source":4096"#, "source"),
            (r#","space":16"#, "space"),
            (r#","length":2,"payload":"00""#, "payload"),
            (r#","length":8,"patch":{"value":"gid","at":1}"#, "patch.at"),
            (r#","joined":true"#, "joined"),
        ] {
            let message = refusal(&with_case(fields));
            assert!(
                message.contains(&format!("at cases[0].{key}: ")),
                "{message}"
            );
        }
        assert!(
            refusal(r#"{"schema-version":2,"name":"x","cases":[]}"#)
                .contains("at schema-version: is 2, expected 1")
        );
        assert!(
            refusal(r#"{"schema-version":1,"name":"x","cases":[]}"#)
                .contains("at cases: has 0 entries")
        );
    }

    #[test]
    fn names_are_unique_and_the_fence_is_kept_free() {
        let case = r#"{"id":"a","group":"g","instruction":"pciwb"}"#;
        let twice = format!(r#"{{"schema-version":1,"name":"x","cases":[{case},{case}]}}"#);
        assert!(refusal(&twice).contains("at cases[1].id: \"a\" is empty or used before"));
        let fence = with_case(r#","space":15,"offset":44,"length":4"#).replace("pcistb", "pcilg");
        assert!(refusal(&fence).contains("at cases[0].offset: "));
    }
}
