//! Makes a plan and its outcomes from the records of the observing plugin.

use crate::document::{Document, DocumentError};
use crate::plan::{Case, Handle, Instruction, Payload, Plan, SCHEMA_VERSION as PLAN_VERSION};
use crate::probe::{FunctionFacts, Outcome, clp};
use records::instruction::{Hex, HexBytes, Line, Outcome as Executed, Record};
use std::path::Path;

/// Program interruption codes of zPCI: operation, specification, operand. After another one, the instruction
/// was not for the function, or the guest executes it again.
const OWN_EXCEPTIONS: [u16; 3] = [0x01, 0x06, 0x15];

/// CLP commands, and the offsets of needed fields in their responses (Linux
/// `arch/s390/include/asm/pci_clp.h`).
const QUERY_FUNCTION: u64 = 3;
const QUERY_GROUP: u64 = 4;
const SET_FUNCTION: u64 = 5;

/// The executed instructions of a guest.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The instructions as a plan.
    pub cases: Vec<Case>,
    /// The outcomes of the instructions.
    pub outcomes: Vec<Outcome>,
    /// The facts that CLP told the guest.
    pub facts: FunctionFacts,
}

/// Reads the plugin's records.
///
/// # Errors
/// A file that cannot be read, or a line that is no record.
pub(crate) fn read(path: &Path) -> Result<Observed, DocumentError> {
    let mut records = Document::new("plugin records", path).lines(parse)?;
    // The lines of several CPUs may be out of order.
    records.sort_by_key(|record| record.seq);
    let mut observed = Observed::default();
    for record in &records {
        observed.add(record);
    }
    Ok(observed)
}

/// The record of an instruction. None if the line is another record.
fn parse(line: &str) -> Result<Option<Box<Record>>, String> {
    match Line::read(line.as_bytes()).map_err(|error| error.to_string())? {
        Line::Insn(record) => Ok(Some(record)),
        Line::Problem { message } => Err(format!("the plugin stopped recording here: {message}")),
        Line::Start { .. } | Line::End { .. } | Line::Unknown => Ok(None),
    }
}

/// The number, or 0 if there is none.
fn number<const DIGITS: usize>(number: Option<Hex<DIGITS>>) -> u64 {
    number.map_or(0, |Hex(number)| number)
}

impl Observed {
    /// The executed instructions as a plan.
    #[must_use]
    pub(crate) fn plan(&self, name: &str) -> Plan {
        Plan {
            schema_version: PLAN_VERSION,
            name: name.to_owned(),
            seed: None,
            cases: self.cases.clone(),
        }
    }

    fn add(&mut self, record: &Record) {
        if record.insn == "clp" {
            self.learn(record);
            return;
        }
        let result = &record.result;
        let exception = result.exception.as_ref();
        let code = exception.map(|exception| exception.code.unwrap_or(u16::MAX));
        if code.is_some_and(|code| !OWN_EXCEPTIONS.contains(&code)) {
            return;
        }
        let Some(case) = self.case(record) else {
            return;
        };
        self.cases.push(case);
        self.outcomes.push(Outcome {
            executed: result.outcome != Executed::Unseen,
            condition: result.cc.unwrap_or(0),
            exception: code,
            status: result.status.unwrap_or(0),
            loaded: number(result.value),
            ..Outcome::default()
        });
    }

    fn learn(&mut self, record: &Record) {
        let operands = &record.operands;
        let Some(HexBytes(response)) = &operands.clp_response else {
            return;
        };
        let byte = |at| response.get(at).copied().unwrap_or(0);
        let half = |at| u16::from_be_bytes(clp::bytes(response, at));
        let word = |at| u64::from_be_bytes(clp::bytes(response, at));
        match operands.command.map(|command| command.0) {
            Some(QUERY_FUNCTION) if response.len() >= 80 => {
                self.facts.group = byte(19);
                self.facts.bar_sizes = clp::bytes(response, 24);
                self.facts.pchid = half(30);
                self.facts.function_type = byte(63);
                self.facts.start_dma = word(64);
                self.facts.end_dma = word(72);
            }
            Some(QUERY_GROUP) if response.len() >= 22 => {
                self.facts.maxstbl = half(20) & 0x1fff;
            }
            Some(SET_FUNCTION) if response.len() >= 20 => {
                let handle = u32::from_be_bytes(clp::bytes(response, 16));
                if handle & 0x8000_0000 != 0 {
                    self.facts.handle = handle;
                }
            }
            _ => {}
        }
    }

    fn case(&self, record: &Record) -> Option<Case> {
        let operands = &record.operands;
        let instruction: Instruction = record.insn.parse().ok()?;
        let moves = instruction.moves();
        let controls = matches!(instruction, Instruction::Rpcit | Instruction::Mpcifc);
        if !moves && !controls && !instruction.is_mio() {
            return None;
        }
        let space = if moves {
            operands.pcias.unwrap_or(0)
        } else {
            0
        };
        let (place, group) = match (moves, space) {
            (true, 15) => ("config".to_owned(), "config".to_owned()),
            (true, bar) => (format!("bar{bar}"), format!("bar {bar}")),
            (false, _) => ("control".to_owned(), "control".to_owned()),
        };
        let handle = u32::try_from(number(operands.handle)).unwrap_or(0);
        let bytes = operands.bytes.as_ref().map(|bytes| bytes.0.clone());
        Some(Case {
            space,
            offset: number(operands.offset.or(operands.io_address)),
            length: operands.length.unwrap_or(0),
            source: (number(operands.address) & 0xfff) as u16,
            handle: match handle {
                handle if handle == self.facts.handle => Handle::Enabled,
                0 => Handle::Zero,
                handle if handle & 0x8000_0000 == 0 => Handle::Disabled,
                _ => Handle::Unknown,
            },
            payload: Payload::Bytes(bytes.unwrap_or_default()),
            // MPCIFC has 8 bits of it.
            operation: operands.operation.unwrap_or(0) as u8,
            ..Case::new(
                format!("{:05}-{}-{place}", record.seq, instruction.name()),
                group,
                instruction,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Observed, read};
    use crate::plan::{Handle, Instruction};

    const RECORDS: &str = r#"{"schema_version":1,"kind":"start","plugin_version":"0.1.0","qemu_api":[0,5],"target":"s390x","max_vcpus":1}
{"schema_version":1,"kind":"insn","seq":1,"vcpu":0,"opcode":"","psw_addr":"0x0","insn":"clp","command":"0x0005","clp_response":"0020001000000000000000000000000080020000000000000000000000000000","outcome":"completed","cc":0}
{"schema_version":1,"kind":"insn","seq":3,"vcpu":0,"opcode":"","psw_addr":"0x0","insn":"pcistb","handle":"0x80020000","pcias":2,"offset":"0x8","length":8,"bytes":"0102030405060708","address":"0x37fffd1bce0","outcome":"exception","cc":null,"exception":{"code":6,"name":"specification"}}
{"schema_version":1,"kind":"insn","seq":2,"vcpu":0,"opcode":"","psw_addr":"0x0","insn":"pcilg","handle":"0x80020000","pcias":15,"offset":"0x0","length":4,"bytes":null,"outcome":"completed","cc":0,"value":"0x000000001410ed04","exception":null}
{"schema_version":1,"kind":"insn","seq":4,"vcpu":0,"opcode":"","psw_addr":"0x0","insn":"pcistb","handle":"0x80020000","pcias":2,"offset":"0x8","length":8,"bytes":null,"outcome":"exception","exception":{"code":2,"name":"privileged"}}
{"schema_version":1,"kind":"insn","seq":5,"vcpu":0,"opcode":"","psw_addr":"0x0","insn":"sic","operation":300,"isc":1,"outcome":"completed"}
{"schema_version":1,"kind":"end","instructions":5}
"#;

    fn observed(text: &str) -> Result<Observed, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        std::fs::write(&path, text).expect("writes");
        read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn instructions_come_in_order_with_operands_and_outcomes() {
        let observed = observed(RECORDS).expect("valid");
        assert_eq!(observed.facts.handle, 0x8002_0000);
        let ids: Vec<&str> = observed.cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["00002-pcilg-config", "00003-pcistb-bar2"]);
        let [load, store] = observed.cases.as_slice() else {
            panic!("two cases")
        };
        assert_eq!(
            (load.instruction, load.space, load.length, load.handle),
            (Instruction::Pcilg, 15, 4, Handle::Enabled)
        );
        assert_eq!(
            (store.offset, store.source, store.payload_bytes(0).len()),
            (8, 0xce0, 8)
        );
        assert_eq!(observed.outcomes[0].loaded, 0x1410_ed04);
        assert_eq!(observed.outcomes[1].exception, Some(6));
    }

    #[test]
    fn a_recording_that_stopped_is_an_error() {
        let message =
            observed("{\"schema_version\":1,\"kind\":\"problem\",\"message\":\"disk full\"}\n")
                .expect_err("refused");
        assert!(
            message.ends_with("line 1: the plugin stopped recording here: disk full"),
            "{message}"
        );
    }
}
