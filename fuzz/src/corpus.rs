//! The file with the kept inputs of a target: `fuzz/corpus/TARGET.hex`.
//!
//! Each line is an input: its name, a space, its bytes in lower-case hex. Lines are sorted by name, so that a
//! new input is a new line. A name contains neither a space nor a slash. An input that a fuzzer found has its
//! SHA-1 as its name, as in libFuzzer's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of inputs, by name.
pub type Inputs = BTreeMap<String, Vec<u8>>;

/// Returns the path of the file with the kept inputs of `target`.
#[must_use]
pub fn file(target: &str) -> PathBuf {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    corpus.join(target).with_extension("hex")
}

/// Reads a corpus file.
///
/// # Errors
/// One sentence that names the file and the invalid line.
pub fn read(path: &Path) -> Result<Inputs, String> {
    let place = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
    let line = |(at, line): (usize, &str)| {
        let wrong = || {
            format!(
                "{place}:{}: expected a name, a space and hex digits",
                at + 1
            )
        };
        let (name, digits) = line.split_once(' ').ok_or_else(wrong)?;
        let bytes = const_hex::decode(digits).map_err(|_| wrong())?;
        if !is_name(name) {
            return Err(wrong());
        }
        Ok((name.to_owned(), bytes))
    };
    text.lines().enumerate().map(line).collect()
}

/// Writes a corpus file.
///
/// # Errors
/// One sentence that names the file, or the input with an invalid name.
pub fn write(path: &Path, inputs: &Inputs) -> Result<(), String> {
    let mut text = String::new();
    for (name, bytes) in inputs {
        if !is_name(name) {
            return Err(format!(
                "{name:?} cannot be the name of an input: expected neither a space nor a slash"
            ));
        }
        text.push_str(&format!("{name} {}\n", const_hex::encode(bytes)));
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes each input to a separate file in `folder`, as libFuzzer needs them.
///
/// # Errors
/// One sentence that names the file.
pub fn unpack(inputs: &Inputs, folder: &Path) -> Result<(), String> {
    for (name, bytes) in inputs {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Reads a folder with one file for each input.
///
/// # Errors
/// One sentence that names the folder or the file.
pub fn pack(folder: &Path) -> Result<Inputs, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut inputs = Inputs::new();
    for file in fs::read_dir(folder).map_err(wrong)? {
        let file = file.map_err(wrong)?;
        let name = file.file_name().to_string_lossy().into_owned();
        inputs.insert(name, fs::read(file.path()).map_err(wrong)?);
    }
    Ok(inputs)
}

/// True if a fuzzer named the input, so that the name is the SHA-1 of its bytes in hex.
#[must_use]
pub fn is_found(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', ' ', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_survives_its_file_and_its_folder() {
        let inputs = Inputs::from([
            ("empty".to_owned(), vec![]),
            ("all-bytes".to_owned(), (0..=255).collect()),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.hex");
        write(&path, &inputs).unwrap();
        assert_eq!(read(&path).unwrap(), inputs);
        let files = tempfile::tempdir().unwrap();
        unpack(&inputs, files.path()).unwrap();
        assert_eq!(pack(files.path()).unwrap(), inputs);
    }

    #[test]
    fn a_damaged_corpus_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.hex");
        for bad in ["name", "name 1", "name xy", "../up 00", " 00"] {
            fs::write(&path, format!("good 00\n{bad}\n")).unwrap();
            let text = read(&path).unwrap_err();
            assert!(text.contains("corpus.hex:2:"), "{bad}: {text}");
        }
        assert!(write(&path, &Inputs::from([("a b".to_owned(), vec![])])).is_err());
    }
}
