//! A scenario's command in a guest, and the checks of its result.

use std::sync::Arc;

use serde_json::Value;

use super::format::{Check, Range, Run};
use super::heard::{Heard, Output, contains};
use crate::guest::Guest;

/// Most bytes of a command's output in an error.
const SHOWN: usize = 600;

/// Runs the command. Returns an error if its result differs from the scenario's.
pub(super) async fn carry_out(run: &Run, guest: Arc<Guest>, heard: &Heard) -> Result<(), String> {
    let (stdout, stderr) = (heard.output(), heard.output());
    let ended = guest
        .run_to(&run.command, stdout.clone(), stderr.clone())
        .await;
    judge(
        run,
        ended.map_err(|error| error.to_string()),
        &stdout,
        &stderr,
    )
}

fn judge(
    run: &Run,
    ended: Result<u8, String>,
    stdout: &Output,
    stderr: &Output,
) -> Result<(), String> {
    let (stdout, stderr) = (stdout.bytes(), stderr.bytes());
    let shown = || {
        let text = [&stdout[..], &stderr[..]].concat();
        let from = text.len().saturating_sub(SHOWN);
        let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned();
        if text.trim().is_empty() {
            "it printed nothing".to_owned()
        } else {
            format!("it printed: {}", text.trim())
        }
    };
    let wrong = |what: String| Err(format!("{:?}: {what}; {}", run.command, shown()));
    match (ended, run.cut_off) {
        (Err(_), true) => return Ok(()),
        (Err(error), false) => return wrong(error),
        (Ok(status), true) => {
            return wrong(format!(
                "exit status {status}, but the guest should have ended before"
            ));
        }
        (Ok(status), false) if !run.status.is_empty() && !run.status.contains(&status) => {
            let expected: Vec<String> = run.status.iter().map(u8::to_string).collect();
            let expected = expected.join(" or ");
            return wrong(format!("exit status {status}, expected {expected}"));
        }
        (Ok(_), false) => {}
    }
    for text in &run.prints {
        if !contains(&stdout, text) && !contains(&stderr, text) {
            return wrong(format!("{text:?} is not printed"));
        }
    }
    if run.json.is_empty() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&stdout);
    let last = text.lines().last().unwrap_or_default();
    let Ok(object) = serde_json::from_str::<Value>(last) else {
        return wrong("the last line of standard output is no JSON".to_owned());
    };
    for (pointer, check) in &run.json {
        if let Err(text) = check.judge(object.pointer(pointer)) {
            return wrong(format!("{pointer}: {text}"));
        }
    }
    Ok(())
}

impl Check {
    /// Checks `value`. The error names the value and the expected one.
    pub(crate) fn judge(&self, value: Option<&Value>) -> Result<(), String> {
        let found = value.unwrap_or(&Value::Null);
        match self {
            Self::Range(range) => match found.as_f64() {
                Some(number) => range.judge(number),
                None => Err(format!("{found}, expected a number {range}")),
            },
            Self::Is(expected) if expected == found => Ok(()),
            Self::Is(expected) => Err(format!("{found}, expected {expected}")),
        }
    }
}

impl Range {
    /// Checks that `number` is in the range. The error names the range.
    pub(crate) fn judge(&self, number: f64) -> Result<(), String> {
        let low = self.min.is_some_and(|min| number < min);
        let high = self.max.is_some_and(|max| number > max);
        if low || high {
            return Err(format!("{number}, expected {self}"));
        }
        Ok(())
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "{min}"),
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "{min} at least"),
            (None, Some(max)) => write!(f, "{max} at most"),
            (None, None) => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{Check, Range};
    use serde_json::json;

    #[test]
    fn a_check_takes_a_value_or_a_range() {
        let check = |value: serde_json::Value| serde_json::from_value::<Check>(value).unwrap();
        assert_eq!(
            check(json!({ "min": 1 })),
            Check::Range(Range {
                min: Some(1.0),
                max: None
            })
        );
        for value in [
            json!("0x07c0"),
            json!([]),
            json!({}),
            json!({ "min": 1, "name": 2 }),
        ] {
            assert_eq!(check(value.clone()), Check::Is(value));
        }
        assert_eq!(
            check(json!({ "min": 1, "max": 2 })).judge(Some(&json!(2))),
            Ok(())
        );
        let too_few = check(json!({ "min": 1 })).judge(Some(&json!(0)));
        assert_eq!(too_few, Err("0, expected 1 at least".to_owned()));
        let missing = check(json!({ "max": 1 })).judge(None);
        assert_eq!(missing, Err("null, expected a number 1 at most".to_owned()));
        assert_eq!(
            check(json!(3)).judge(Some(&json!(4))),
            Err("4, expected 3".to_owned())
        );
    }
}
