//! Builds the test programs and finds them.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::arguments::Arguments;

/// A program that runs tests.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its crate and target.
    pub name: String,
    /// Starts it.
    pub command: Command,
    /// Whether it runs the documentation's examples.
    pub is_doc: bool,
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds what the arguments choose. Cargo says on stderr what it does.
pub(crate) fn programs(arguments: &Arguments) -> Result<Vec<Program>, String> {
    let output = cargo()
        .args([
            "test",
            "--no-run",
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(&arguments.for_cargo)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(messages.filter_map(|message| program(&message)).collect())
}

/// The test program that one of cargo's messages tells of.
fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = message["executable"].as_str()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?;
    let target = &message["target"];
    let kind = target["kind"][0].as_str()?;
    let package = folder.file_name()?.to_string_lossy();
    let name = match kind {
        "test" => format!("{package}/{}", target["name"].as_str()?),
        "bin" => format!("{package}, unit tests of {}", target["name"].as_str()?),
        _ => format!("{package}, unit tests"),
    };
    let mut command = Command::new(executable);
    // As cargo starts them.
    command
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder);
    Some(Program {
        name,
        command,
        is_doc: false,
    })
}

/// The examples in the documentation, which only cargo can run.
pub(crate) fn doc_tests(arguments: &Arguments) -> Program {
    let mut command = cargo();
    command
        .args(["test", "--doc", "--no-fail-fast"])
        .args(&arguments.for_cargo)
        .args(&arguments.filters)
        .arg("--")
        .args(&arguments.for_tests);
    Program {
        name: "documentation".to_owned(),
        command,
        is_doc: true,
    }
}
