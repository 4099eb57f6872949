//! Progress messages.

/// Prints one line on standard error.
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    // A closed standard error is no reason to stop.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("lab: {text}\n").as_bytes());
}
