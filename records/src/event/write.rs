//! Writes lines. Accesses, moves and interrupts are frequent, so they are written without a serializer.

use serde::Serialize;

use super::access::AccessKind;
use super::kinds::Event;
use super::line::SCHEMA_VERSION;
use super::object::Object;

/// The keys at the start of every line.
#[derive(Clone, Copy, Debug)]
pub struct Front<'a> {
    /// The number of the line.
    pub seq: u64,
    /// Microseconds since the server started.
    pub time_us: u64,
    /// The name of the function.
    pub function: &'a str,
    /// The number that the line shares with others, if any.
    pub cause: Option<u64>,
}

impl Front<'_> {
    fn begin<'a>(&self, out: &'a mut Vec<u8>) -> Object<'a> {
        Object::new(out)
            .number("schema_version", SCHEMA_VERSION.into())
            .number("seq", self.seq)
            .number("time_us", self.time_us)
            .text("function", self.function)
            .optional("cause", self.cause)
    }

    /// Appends a line whose event is JSON text, an object.
    pub fn write_text(&self, event: &[u8], out: &mut Vec<u8>) {
        self.begin(out).members(event).end();
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn write<A: Serialize>(
        &self,
        event: &Event<'_, A>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        match (event, event.access()) {
            (Event::Store { rules, .. } | Event::Load { rules, .. }, Some(access)) => {
                let line = self
                    .begin(out)
                    .text("event", access.kind.name())
                    .text("path", access.path)
                    .number("pcias", access.pcias.into())
                    .number("offset", access.offset)
                    .number("length", access.length as u64)
                    .hex("bytes", access.bytes);
                let line = match access.kind {
                    AccessKind::Store => line.flag("posted", access.posted),
                    _ => line,
                };
                line.text("result", access.result)
                    .texts("rules", rules)
                    .end();
            }
            (
                Event::DataMove {
                    token,
                    owner,
                    dmb_offset,
                    length,
                    element,
                    signal,
                    signalled,
                },
                _,
            ) => self
                .begin(out)
                .text("event", "data-move")
                .number("token", *token)
                .text("owner", owner)
                .number("dmb_offset", *dmb_offset)
                .number("length", *length as u64)
                .number("element", (*element).into())
                .flag("signal", *signal)
                .flag("signalled", *signalled)
                .end(),
            (Event::Interrupt { vector }, _) => self
                .begin(out)
                .text("event", "interrupt")
                .number("vector", (*vector).into())
                .end(),
            _ => self.write_text(&serde_json::to_vec(event)?, out),
        }
        Ok(())
    }
}
