//! The order of Debian's version numbers (source: Debian Policy, section 5.6.12).

use std::cmp::Ordering;

/// Compares two versions `[EPOCH:]UPSTREAM[-REVISION]`.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_rest) = epoch(a);
    let (b_epoch, b_rest) = epoch(b);
    let (a_upstream, a_revision) = a_rest.rsplit_once('-').unwrap_or((a_rest, ""));
    let (b_upstream, b_revision) = b_rest.rsplit_once('-').unwrap_or((b_rest, ""));
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| compare_part(a_upstream, b_upstream))
        .then_with(|| compare_part(a_revision, b_revision))
}

/// The upstream version: without epoch and revision.
pub(crate) fn upstream(version: &str) -> &str {
    let rest = epoch(version).1;
    rest.rsplit_once('-').map_or(rest, |(upstream, _)| upstream)
}

fn epoch(version: &str) -> (u64, &str) {
    let split = version.split_once(':');
    split.map_or((0, version), |(epoch, rest)| {
        (epoch.parse().unwrap_or(0), rest)
    })
}

/// Compares a part without digits and a number in turns.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (a_text, b_text) = (take(&mut a, false), take(&mut b, false));
        let length = a_text.len().max(b_text.len());
        // The end of a part counts as a letter. Only `~` sorts before it.
        let texts = (0..=length).map(|at| weight(a_text.get(at)).cmp(&weight(b_text.get(at))));
        let (a_number, b_number) = (number(&mut a), number(&mut b));
        let numbers = a_number
            .len()
            .cmp(&b_number.len())
            .then(a_number.cmp(b_number));
        let order = texts.fold(Ordering::Equal, Ordering::then).then(numbers);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(bytes: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = bytes
        .iter()
        .position(|byte| byte.is_ascii_digit() != digits);
    let (taken, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    *bytes = rest;
    taken
}

/// A number's digits without leading zeros. Of two, the longer one is then the larger number.
fn number<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let digits = take(bytes, true);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn versions_are_ordered_as_dpkg_does() {
        for (a, b, order) in [
            ("6.12.107-1", "6.12.95-1~bpo12+1", Greater),
            ("6.12.95-1~bpo12+1", "6.12.95-1", Less),
            ("7.3~rc7-1~exp1", "7.3-1", Less),
            ("7.2.13-1", "7.2.9-1", Greater),
            ("1:1.0", "2.0", Greater),
            ("0:1.0-1", "1.0-1", Equal),
            ("1.0-0", "1.0", Equal),
            ("1.01", "1.1", Equal),
            ("1.0a", "1.0+", Less),
            ("1.0", "1.0a", Less),
            ("1.0~~", "1.0~", Less),
            ("2.41-12+deb13u5", "2.41-12+deb13u10", Less),
            ("99999999999999999999999", "100000000000000000000000", Less),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn upstream_is_what_the_program_calls_itself() {
        assert_eq!(super::upstream("1:11.1.3+ds-1~bpo13+1"), "11.1.3+ds");
        assert_eq!(super::upstream("7.2"), "7.2");
    }
}
