//! Dummy Debian packages.

use std::io::Write;
use std::process::{Command, Stdio};

use super::signature;

/// Debian's name for this machine's architecture.
pub const NATIVE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else if cfg!(target_arch = "s390x") {
    "s390x"
} else {
    "amd64"
};

/// A package that contains a few files.
#[derive(Clone)]
pub struct Dummy {
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Architecture: `s390x`, `all`, or `native` for this machine's.
    pub arch: String,
    /// More fields of the paragraph, e.g. `Depends: x`.
    pub fields: Vec<String>,
    /// Path, content and executable flag of each file.
    pub files: Vec<(String, Vec<u8>, bool)>,
    /// File ending of the compression.
    pub compression: &'static str,
}

impl Dummy {
    /// Creates a package without files.
    pub fn new(name: &str, version: &str, arch: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: arch.to_owned(),
            fields: Vec::new(),
            files: Vec::new(),
            compression: ".xz",
        }
    }

    /// Adds a dependency.
    pub fn depends(mut self, depends: &str) -> Self {
        self.fields.push(format!("Depends: {depends}"));
        self
    }

    /// Adds a file.
    pub fn file_at(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into(), false));
        self
    }

    /// Adds an executable file.
    pub fn program_at(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into(), true));
        self
    }

    /// Sets another compression.
    pub fn compressed(mut self, end: &'static str) -> Self {
        self.compression = end;
        self
    }

    /// Path of the package file from the archive's root.
    pub fn file(&self) -> String {
        let version = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, v)| v);
        format!(
            "pool/main/{}_{version}_{}.deb",
            self.name,
            self.debian_arch()
        )
    }

    fn debian_arch(&self) -> &str {
        if self.arch == "native" {
            NATIVE
        } else {
            &self.arch
        }
    }

    /// Returns the package's paragraph in a list.
    pub fn paragraph(&self, bytes: &[u8]) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\n",
            self.name,
            self.version,
            self.debian_arch()
        );
        for field in &self.fields {
            text += &format!("{field}\n");
        }
        text + &format!(
            "Filename: {}\nSize: {}\nSHA256: {}\nDescription: dummy\n with a second line\n\n",
            self.file(),
            bytes.len(),
            signature::sha256(bytes)
        )
    }

    /// Builds the package file.
    pub fn bytes(&self) -> Vec<u8> {
        let tar = tar(&self.files);
        let mut bytes = b"!<arch>\n".to_vec();
        let data = format!("data.tar{}", self.compression);
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.xz", compressed(".xz", &[0; 1024])),
            (&data, compressed(self.compression, &tar)),
        ] {
            bytes.extend(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100_644,
                    content.len()
                )
                .bytes(),
            );
            bytes.extend(&content);
            if content.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        bytes
    }
}

/// Builds a tar archive from path, content and executable flag of each file.
pub fn tar(files: &[(String, Vec<u8>, bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content, program) in files {
        bytes.extend(member(path, content, *program));
    }
    bytes.extend([0; 1024]);
    bytes
}

/// Builds a file in a tar archive (source: POSIX, `pax`, ustar interchange format).
fn member(path: &str, content: &[u8], program: bool) -> Vec<u8> {
    let mut head = [0_u8; 512];
    let path = format!("./{path}");
    let mut put =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, &path);
    put(100, if program { "0000755" } else { "0000644" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = head.to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Compresses `data` with the program for `end`.
pub fn compressed(end: &str, data: &[u8]) -> Vec<u8> {
    let mut command = match end {
        ".xz" => Command::new("xz"),
        ".gz" => Command::new("gzip"),
        ".zst" => Command::new("zstd"),
        _ => return data.to_vec(),
    };
    let mut child = command
        .args(["-c", "-1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().unwrap();
    let data = data.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&data));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}
