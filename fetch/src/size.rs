//! Byte counts as text.

/// `bytes` as text, for example `41.1 MB` (powers of ten, as in apt).
pub(crate) fn text(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let tenths = bytes / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn one_digit_and_a_unit() {
        assert_eq!(text(999), "999 B");
        assert_eq!(text(1_000), "1.0 kB");
        assert_eq!(text(41_150_000), "41.1 MB");
        assert_eq!(text(2_000_000_000), "2.0 GB");
    }
}
