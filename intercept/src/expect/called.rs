//! CLP: lengths, response codes and facts.

use super::{OPERAND, Reference, Refusal};
use crate::plan::{Case, Fact, Field, Payload};
use crate::probe::clp;

/// Longest and shortest request and response, and both together (QEMU `hw/s390x/s390-pci-inst.c`).
const REQUESTS: std::ops::RangeInclusive<usize> = 16..=8184;
const RESPONSES: std::ops::RangeInclusive<usize> = 8..=8176;
const TOGETHER: usize = 8192;

impl Reference<'_> {
    /// The facts that the response must contain.
    pub(super) fn call(&self, case: &Case, refusals: &mut Vec<Refusal>, fields: &mut Vec<Field>) {
        let Payload::Bytes(block) = &case.payload else {
            return;
        };
        let half = |at| usize::from(u16::from_be_bytes(clp::bytes(block, at)));
        let request = half(0);
        let response = half(request);
        let lengths = REQUESTS.contains(&request)
            && request.is_multiple_of(8)
            && RESPONSES.contains(&response)
            && response.is_multiple_of(8)
            && request + response <= TOGETHER;
        if !lengths {
            refusals.push(OPERAND);
            return;
        }
        fields.push(Field {
            at: request + 2,
            bytes: case.response.unwrap_or(clp::OK).to_be_bytes().to_vec(),
            mask: vec![0xff; 2],
        });
        if let Some(fact) = case.fact.filter(|fact| *fact != Fact::Listed) {
            let handle = self.facts.of(case.function).handle;
            for mut field in fact.fields(self.announced, case.function, handle) {
                field.at += clp::REQUEST;
                fields.push(field);
            }
        }
    }
}
