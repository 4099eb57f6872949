//! The events of the event file, with the actions of this server's faults.

use ism::fault::Action;

pub use records::event::SCHEMA_VERSION;

/// An event.
pub type Event<'a> = records::event::Event<'a, &'a Action>;

/// Returns the JSON schema of a line of the event file.
pub fn schema() -> serde_json::Value {
    records::event::schema::<Action>()
}
