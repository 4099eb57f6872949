//! Makes a plan and its outcomes from the records of the observing plugin.
//!
//! The format is the plugin's (`plugin/README.md`).

use crate::document::{Document, DocumentError};
use crate::plan::hex;
use crate::plan::{Case, Handle, Instruction, Payload, Plan, SCHEMA_VERSION as PLAN_VERSION};
use crate::probe::{FunctionFacts, Outcome, clp};
use serde::{Deserialize, Deserializer};
use std::path::Path;

/// The version of the record format that this crate reads.
const SCHEMA_VERSION: u32 = 1;

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

/// Reads a number of the plugin: a JSON number, or hexadecimal text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Option::<Either>::deserialize(deserializer)? {
        None => None,
        Some(Either::Number(number)) => Some(number),
        Some(Either::Text(text)) => {
            let digits = text.trim_start_matches("0x");
            Some(u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)?)
        }
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    schema_version: u32,
    kind: String,
    seq: u64,
    insn: String,
    #[serde(deserialize_with = "number")]
    handle: Option<u64>,
    pcias: Option<u8>,
    #[serde(deserialize_with = "number")]
    offset: Option<u64>,
    #[serde(deserialize_with = "number")]
    length: Option<u64>,
    bytes: Option<String>,
    #[serde(deserialize_with = "number")]
    address: Option<u64>,
    #[serde(deserialize_with = "number")]
    io_address: Option<u64>,
    operation: Option<u8>,
    #[serde(deserialize_with = "number")]
    command: Option<u64>,
    clp_response: Option<String>,
    outcome: String,
    cc: Option<u8>,
    status: Option<u8>,
    #[serde(deserialize_with = "number")]
    value: Option<u64>,
    exception: Option<Exception>,
    message: String,
}

#[derive(Deserialize)]
struct Exception {
    code: Option<u16>,
}

/// Reads the plugin's records.
///
/// # Errors
/// A file that cannot be read, or a line that is no record.
pub(crate) fn read(path: &Path) -> Result<Observed, DocumentError> {
    let mut lines = Document::new("plugin records", path).lines(parse)?;
    // The lines of several CPUs may be out of order.
    lines.sort_by_key(|line| line.seq);
    let mut observed = Observed::default();
    for line in &lines {
        observed.add(line);
    }
    Ok(observed)
}

/// The record of an instruction. None if the line is another record.
fn parse(line: &str) -> Result<Option<Line>, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.schema_version != SCHEMA_VERSION {
        let version = line.schema_version;
        return Err(format!(
            "schema_version is {version}, expected {SCHEMA_VERSION}"
        ));
    }
    match line.kind.as_str() {
        "insn" => Ok(Some(line)),
        "problem" => Err(format!(
            "the plugin stopped recording here: {}",
            line.message
        )),
        _ => Ok(None),
    }
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

    fn add(&mut self, line: &Line) {
        if line.insn == "clp" {
            self.learn(line);
            return;
        }
        let code = line
            .exception
            .as_ref()
            .map(|exception| exception.code.unwrap_or(u16::MAX));
        if code.is_some_and(|code| !OWN_EXCEPTIONS.contains(&code)) {
            return;
        }
        let Some(case) = self.case(line) else { return };
        self.cases.push(case);
        self.outcomes.push(Outcome {
            executed: line.outcome != "unseen",
            condition: line.cc.unwrap_or(0),
            exception: code,
            status: line.status.unwrap_or(0),
            loaded: line.value.unwrap_or(0),
            ..Outcome::default()
        });
    }

    fn learn(&mut self, line: &Line) {
        let response = line
            .clp_response
            .as_deref()
            .and_then(hex::decode)
            .unwrap_or_default();
        let byte = |at| response.get(at).copied().unwrap_or(0);
        let half = |at| u16::from_be_bytes(clp::bytes(&response, at));
        let word = |at| u64::from_be_bytes(clp::bytes(&response, at));
        match line.command {
            Some(QUERY_FUNCTION) if response.len() >= 80 => {
                self.facts.group = byte(19);
                self.facts.bar_sizes = clp::bytes(&response, 24);
                self.facts.pchid = half(30);
                self.facts.function_type = byte(63);
                self.facts.start_dma = word(64);
                self.facts.end_dma = word(72);
            }
            Some(QUERY_GROUP) if response.len() >= 22 => {
                self.facts.maxstbl = half(20) & 0x1fff;
            }
            Some(SET_FUNCTION) if response.len() >= 20 => {
                let handle = u32::from_be_bytes(clp::bytes(&response, 16));
                if handle & 0x8000_0000 != 0 {
                    self.facts.handle = handle;
                }
            }
            _ => {}
        }
    }

    fn case(&self, line: &Line) -> Option<Case> {
        let instruction: Instruction = line.insn.parse().ok()?;
        let moves = instruction.moves();
        let controls = matches!(instruction, Instruction::Rpcit | Instruction::Mpcifc);
        if !moves && !controls && !instruction.is_mio() {
            return None;
        }
        let space = if moves { line.pcias.unwrap_or(0) } else { 0 };
        let (place, group) = match (moves, space) {
            (true, 15) => ("config".to_owned(), "config".to_owned()),
            (true, bar) => (format!("bar{bar}"), format!("bar {bar}")),
            (false, _) => ("control".to_owned(), "control".to_owned()),
        };
        let handle = u32::try_from(line.handle.unwrap_or(0)).unwrap_or(0);
        let bytes = line
            .bytes
            .as_deref()
            .and_then(hex::decode)
            .unwrap_or_default();
        Some(Case {
            space,
            offset: line.offset.or(line.io_address).unwrap_or(0),
            length: line.length.unwrap_or(0),
            source: (line.address.unwrap_or(0) & 0xfff) as u16,
            handle: match handle {
                handle if handle == self.facts.handle => Handle::Enabled,
                0 => Handle::Zero,
                handle if handle & 0x8000_0000 == 0 => Handle::Disabled,
                _ => Handle::Unknown,
            },
            payload: Payload::Bytes(bytes),
            operation: line.operation.unwrap_or(0),
            ..Case::new(
                format!("{:05}-{}-{place}", line.seq, instruction.name()),
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

    const RECORDS: &str = r#"{"schema_version":1,"kind":"start","plugin_version":"0.1.0"}
{"schema_version":1,"kind":"insn","seq":1,"insn":"clp","command":"0x0005","clp_response":"0020001000000000000000000000000080020000000000000000000000000000","outcome":"completed","cc":0}
{"schema_version":1,"kind":"insn","seq":3,"insn":"pcistb","handle":"0x80020000","pcias":2,"offset":"0x8","length":8,"bytes":"0102030405060708","address":"0x37fffd1bce0","outcome":"exception","cc":null,"exception":{"code":6,"name":"specification"}}
{"schema_version":1,"kind":"insn","seq":2,"insn":"pcilg","handle":"0x80020000","pcias":15,"offset":"0x0","length":4,"bytes":null,"outcome":"completed","cc":0,"value":"0x000000001410ed04","exception":null}
{"schema_version":1,"kind":"insn","seq":4,"insn":"pcistb","handle":"0x80020000","pcias":2,"offset":"0x8","length":8,"bytes":null,"outcome":"exception","exception":{"code":2,"name":"privileged"}}
{"schema_version":1,"kind":"end","instructions":4}
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
