//! A buffer for machine code, with labels.

use thiserror::Error;

/// A place in the code. It may be used before it is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// An error that prevents the end of the assembly.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AssembleError {
    /// A label was used but never bound.
    #[error("label {0} was used at offset {1} but never bound")]
    Unbound(usize, usize),
    /// A branch target is too far away for its field.
    #[error(
        "the target of the relative field at offset {0} is {1} bytes away, which its width cannot hold"
    )]
    TooFar(usize, i64),
}

#[derive(Debug, Clone, Copy)]
enum Width {
    Half,
    Word,
}

#[derive(Debug, Clone, Copy)]
struct Fixup {
    instruction: usize,
    label: Label,
    width: Width,
}

/// Collects instructions. Labels are relative, so the code runs at any even address.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    labels: Vec<Option<usize>>,
    fixups: Vec<Fixup>,
}

impl Assembler {
    /// Creates an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a label that [`Assembler::bind`] will place.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Places `label` here.
    pub fn bind(&mut self, label: Label) {
        let here = self.bytes.len();
        if let Some(slot) = self.labels.get_mut(label.0) {
            *slot = Some(here);
        }
    }

    /// Creates a label at the present place.
    pub fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Appends one encoded instruction or data.
    pub fn emit(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends zeros up to a multiple of `to` bytes.
    pub fn align(&mut self, to: usize) {
        while !self.bytes.len().is_multiple_of(to) {
            self.bytes.push(0);
        }
    }

    /// Appends an instruction whose last four bytes are the distance to `label` in halfwords.
    pub(crate) fn emit_relative_word(&mut self, bytes: [u8; 6], label: Label) {
        self.fixups.push(Fixup {
            instruction: self.bytes.len(),
            label,
            width: Width::Word,
        });
        self.emit(&bytes);
    }

    /// Appends an instruction whose last two bytes are the distance to `label` in halfwords.
    pub(crate) fn emit_relative_half(&mut self, bytes: [u8; 4], label: Label) {
        self.fixups.push(Fixup {
            instruction: self.bytes.len(),
            label,
            width: Width::Half,
        });
        self.emit(&bytes);
    }

    /// Resolves all labels. Returns the code.
    ///
    /// # Errors
    /// A label was never bound, or is too far from the field that uses it.
    pub fn finish(mut self) -> Result<Vec<u8>, AssembleError> {
        for fixup in &self.fixups {
            let target = self
                .labels
                .get(fixup.label.0)
                .copied()
                .flatten()
                .ok_or(AssembleError::Unbound(fixup.label.0, fixup.instruction))?;
            let distance = target as i64 - fixup.instruction as i64;
            let too_far = AssembleError::TooFar(fixup.instruction, distance);
            let field = match fixup.width {
                Width::Half => i16::try_from(distance / 2).map(|v| v.to_be_bytes().to_vec()),
                Width::Word => i32::try_from(distance / 2).map(|v| v.to_be_bytes().to_vec()),
            }
            .map_err(|_| too_far)?;
            let start = fixup.instruction + 2;
            for (slot, byte) in self.bytes.iter_mut().skip(start).zip(field) {
                *slot = byte;
            }
        }
        Ok(self.bytes)
    }
}
