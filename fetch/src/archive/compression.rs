//! Decompression of xz, gzip and zstd.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::error::Error;

/// Reads `data`. The suffix of `name` gives its compression.
///
/// # Errors
/// When the first bytes are not those of the compression.
pub(crate) fn reader<'a>(name: &str, data: impl Read + 'a) -> std::io::Result<Box<dyn Read + 'a>> {
    let data = BufReader::with_capacity(1 << 16, data);
    Ok(match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "xz" => Box::new(lzma_rust2::XzReader::new(data, true)),
        "gz" => Box::new(flate2::bufread::MultiGzDecoder::new(data)),
        "zst" => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(data);
            Box::new(decoder.map_err(|error| std::io::Error::other(error.to_string()))?)
        }
        _ => Box::new(data),
    })
}

/// The decompressed content of the file at `path`. Its suffix gives the compression.
///
/// # Errors
/// When it cannot be read, or is not compressed as its name says.
pub fn read_compressed(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    reader(&path.to_string_lossy(), file)
        .and_then(|mut reader| reader.read_to_end(&mut bytes))
        .map_err(Error::io("unpack", path))?;
    Ok(bytes)
}

/// Unpacks the files selected by `wanted` from the tar file at `path` into `folder`.
///
/// # Errors
/// When it cannot be read or a file cannot be written.
pub fn untar(path: &Path, folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<(), Error> {
    untar_named(&path.to_string_lossy(), path, folder, wanted)
}

/// The same. The suffix of the name gives the compression.
pub(crate) fn untar_named(
    name: &str,
    path: &Path,
    folder: &Path,
    wanted: impl Fn(&Path) -> bool,
) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let unpack = || {
        let mut archive = tar::Archive::new(reader(name, file)?);
        archive.set_preserve_mtime(false);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?;
            let take = wanted(path.strip_prefix(".").unwrap_or(&path));
            if take {
                entry.unpack_in(folder)?;
            }
        }
        Ok(())
    };
    unpack().map_err(Error::io("unpack", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// `data`, compressed by the program `name`.
    fn compressed(program: &str, data: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program)
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let data = data.to_vec();
        let writer = std::thread::spawn(move || pipe.write_all(&data));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output.stdout
    }

    #[test]
    fn every_compression_comes_off_and_torn_data_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for (program, end) in [("xz", "xz"), ("gzip", "gz"), ("zstd", "zst")] {
            let path = dir.path().join(format!("data.{end}"));
            let packed = compressed(program, &data);
            std::fs::write(&path, &packed).unwrap();
            assert!(read_compressed(&path).unwrap() == data, "{program}");
            std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
            let text = read_compressed(&path).unwrap_err().to_string();
            assert!(text.contains(&format!("data.{end}")), "{text}");
            std::fs::write(&path, "no such data at all").unwrap();
            assert!(read_compressed(&path).is_err(), "{program}");
        }
        let path = dir.path().join("plain");
        std::fs::write(&path, b"as it is").unwrap();
        assert_eq!(read_compressed(&path).unwrap(), b"as it is");
    }
}
