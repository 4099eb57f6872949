//! A package file: an `ar` archive that contains a tar file (source: deb(5)).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::compression;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// Unpacks the files of the package at `path` into `root`.
///
/// # Errors
/// Says what is wrong with the package, or what the system refuses.
pub(crate) fn unpack(path: &Path, root: &Path) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let (name, size) = find_data(&mut file)?;
    let mut archive = tar::Archive::new(compression::reader(&name, file.take(size))?);
    archive.set_preserve_mtime(false);
    for entry in archive.entries()? {
        // Skips paths outside root. Packages have none.
        entry?.unpack_in(root)?;
    }
    Ok(())
}

/// Seeks to the member `data.tar*`. Returns its name and size.
fn find_data(file: &mut File) -> std::io::Result<(String, u64)> {
    let bad = |words: &str| std::io::Error::other(format!("it is no package: {words}"));
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(bad("it is no ar archive"));
    }
    loop {
        let mut header = [0; HEADER];
        file.read_exact(&mut header)
            .map_err(|_| bad("it has no data.tar"))?;
        let text = std::str::from_utf8(&header).map_err(|_| bad("an ar header is torn"))?;
        let (name, rest) = text.split_at(16);
        let name = name.trim().trim_end_matches('/');
        let size: u64 = rest
            .get(32..42)
            .and_then(|size| size.trim().parse().ok())
            .ok_or_else(|| bad("an ar header is torn"))?;
        if let Some(end) = name.strip_prefix("data.tar") {
            if !["", ".xz", ".gz", ".zst"].contains(&end) {
                return Err(bad(&format!("{name} is compressed in an unknown way")));
            }
            return Ok((name.to_owned(), size));
        }
        // Members start at even offsets.
        let skip = i64::try_from(size.next_multiple_of(2)).map_err(|_| bad("a size is wrong"))?;
        file.seek(SeekFrom::Current(skip))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn member(name: &str, data: &[u8]) -> Vec<u8> {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            data.len()
        );
        let pad = if data.len() % 2 == 1 { "\n" } else { "" };
        [head.as_bytes(), data, pad.as_bytes()].concat()
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, data) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(data.len() as u64);
            header.set_mode(0o4755);
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn package(data_name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(member("debian-binary", b"2.0\n"));
        bytes.extend(member("control.tar.xz", b"odd"));
        bytes.extend(member(data_name, data));
        bytes
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, std::io::Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        let (path, root) = (dir.path().join("p.deb"), dir.path().join("root"));
        fs::write(&path, bytes).unwrap();
        fs::create_dir(&root).unwrap();
        let result = unpack(&path, &root);
        (dir, result)
    }

    #[test]
    fn files_come_out_with_their_rights_and_never_outside_the_root() {
        let data = tar(&[
            ("./usr/bin/tool", b"x"),
            ("../outside", b"y"),
            ("/absolute", b"z"),
        ]);
        let (dir, result) = unpacked(&package("data.tar", &data));
        result.unwrap();
        let tool = dir.path().join("root/usr/bin/tool");
        assert_eq!(fs::read(&tool).unwrap(), b"x");
        assert_eq!(
            fs::metadata(&tool).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(!dir.path().join("outside").exists());
        assert!(dir.path().join("root/absolute").exists());
    }

    #[test]
    fn what_is_no_package_says_so() {
        let data = tar(&[("./a", b"x")]);
        for (bytes, words) in [
            (b"<html>no such file</html>".to_vec(), "no ar archive"),
            (MAGIC.to_vec(), "no data.tar"),
            (package("data.tar.lzma", &data), "unknown way"),
            (package("other", &data), "no data.tar"),
        ] {
            let text = unpacked(&bytes).1.unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
        let whole = package("data.tar", &data);
        assert!(unpacked(&whole[..whole.len() - 1200]).1.is_err());
        assert!(unpacked(&package("data.tar.xz", &data)).1.is_err());
    }
}
