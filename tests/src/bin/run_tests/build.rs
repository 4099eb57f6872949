//! Builds the test programs and finds them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::arguments::Arguments;

/// A program that runs tests.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name of its crate and target.
    pub name: String,
    /// The command that starts it.
    pub command: Command,
    /// True if it runs the documentation's examples.
    pub is_doc: bool,
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the test programs that the arguments select. Cargo's messages go to stderr.
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

/// Returns the test program in one of cargo's messages, if there is one.
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
    Some(Program {
        name,
        command: command(Path::new(executable), folder),
        is_doc: false,
    })
}

/// Builds the command for a test program, as cargo starts it.
fn command(executable: &Path, folder: &Path) -> Command {
    let mut command = Command::new(executable);
    command
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder);
    command
}

/// Splits a test program into one program for each module. They run at the same time, and each has its own
/// line in the table. A program that cannot list its tests stays whole.
pub(crate) fn by_module(program: Program) -> Vec<Program> {
    let executable = program.command.get_program().to_owned();
    let Some(folder) = program.command.get_current_dir().map(Path::to_owned) else {
        return vec![program];
    };
    let list = Command::new(&executable)
        .args(["--list", "--format", "terse"])
        .stdin(Stdio::null())
        .output();
    let modules = match list {
        Ok(output) if output.status.success() => modules(&String::from_utf8_lossy(&output.stdout)),
        _ => BTreeSet::new(),
    };
    if modules.is_empty() {
        return vec![program];
    }
    let one = |module: String| {
        let mut command = command(Path::new(&executable), &folder);
        command.arg(format!("{module}::"));
        Program {
            name: format!("{} {module}", program.name),
            command,
            is_doc: false,
        }
    };
    modules.into_iter().map(one).collect()
}

/// Returns the modules in a list of tests. Returns none if a test is in no module, because a selection by
/// module would omit that test.
fn modules(list: &str) -> BTreeSet<String> {
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let module = |test: &str| Some(test.split_once("::")?.0.to_owned());
    tests.map(module).collect::<Option<_>>().unwrap_or_default()
}

/// Returns the program that runs the documentation's examples, which only cargo can run.
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

#[cfg(test)]
mod tests {
    use super::modules;

    #[test]
    fn no_test_is_left_out() {
        let list = "fuzz::a: test\nfuzz::b: test\ncontainer::deep::c: test\n";
        let found: Vec<_> = modules(list).into_iter().collect();
        assert_eq!(found, ["container", "fuzz"]);
        assert!(modules(&format!("{list}alone: test\n")).is_empty());
    }
}
