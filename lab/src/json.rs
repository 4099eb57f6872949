//! Results as JSON text.

use serde::Serialize;

use crate::error::Error;

/// The JSON text of `value`, whose name stands in the error.
pub(crate) fn text(name: &'static str, value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Error::system(name)(error.into()))?;
    Ok(text + "\n")
}
