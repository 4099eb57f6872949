//! The C header: its names, and its layouts as a compiler sees them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::layout::{Fields, Layouts};

/// The layouts that the compiler gives the header.
pub(crate) struct Compiled {
    /// Size of each structure in bytes.
    pub sizes: BTreeMap<String, usize>,
    /// Fields of each structure.
    pub layouts: Layouts,
    /// Values of the constants.
    pub constants: BTreeMap<String, u64>,
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn header() -> PathBuf {
    repository().join("contract/vfio-user-ism.h")
}

/// Returns structures with their fields, and constants, as the text names them.
#[track_caller]
fn names(text: &str) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let mut structures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut constants = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), &open) {
            (["struct", name, "{"], None) => {
                structures.insert((*name).to_owned(), Vec::new());
                open = Some((*name).to_owned());
            }
            (["};"], Some(_)) => open = None,
            ([.., field], Some(structure)) if field.ends_with(';') => {
                let field = field.trim_end_matches(';').split('[').next().unwrap();
                structures
                    .get_mut(structure)
                    .unwrap()
                    .push(field.to_owned());
            }
            (["#define", name, _, ..], None) => constants.push((*name).to_owned()),
            _ => assert!(open.is_none(), "not understood: {line}"),
        }
    }
    (structures, constants)
}

/// Compiles the header with warnings as errors, and runs the program that prints its layouts.
pub(crate) fn compile() -> Compiled {
    let text = std::fs::read_to_string(header()).unwrap();
    let (structures, constants) = names(&text);
    let mut program =
        String::from("#include \"vfio-user-ism.h\"\n#include <stddef.h>\n#include <stdio.h>\n");
    program.push_str("int main(void) {\n");
    for (structure, fields) in &structures {
        let _ = writeln!(
            program,
            "printf(\"size {structure} %zu\\n\", sizeof(struct {structure}));"
        );
        for field in fields {
            let _ = writeln!(
                program,
                "printf(\"field {structure} {field} %zu %zu\\n\", \
                 offsetof(struct {structure}, {field}), sizeof(((struct {structure} *)0)->{field}));"
            );
        }
    }
    for constant in &constants {
        let _ = writeln!(
            program,
            "printf(\"constant {constant} %llu\\n\", (unsigned long long)({constant}));"
        );
    }
    program.push_str("return 0;\n}\n");
    read(&run(&program))
}

#[track_caller]
fn run(program: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (source, binary) = (folder.path().join("layout.c"), folder.path().join("layout"));
    std::fs::write(&source, program).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(&compiler)
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Wpadded",
            "-pedantic",
            "-Werror",
            "-I",
        ])
        .arg(header().parent().unwrap())
        .args(["-o".as_ref(), binary.as_os_str(), source.as_os_str()])
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    let messages = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{compiler}: {messages}");
    let output = Command::new(&binary).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn read(output: &str) -> Compiled {
    let mut compiled = Compiled {
        sizes: BTreeMap::new(),
        layouts: BTreeMap::new(),
        constants: BTreeMap::new(),
    };
    for line in output.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let place = |at: usize| number(at) as usize;
        match words[0] {
            "size" => {
                compiled.sizes.insert(words[1].to_owned(), place(2));
                compiled.layouts.entry(words[1].to_owned()).or_default();
            }
            "field" => {
                let fields: &mut Fields = compiled.layouts.entry(words[1].to_owned()).or_default();
                fields.insert(words[2].to_owned(), (place(3), place(4)));
            }
            _ => {
                compiled.constants.insert(words[1].to_owned(), number(2));
            }
        }
    }
    compiled
}
