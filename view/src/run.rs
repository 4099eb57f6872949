//! Carries out the command line of `view`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::error::Error;
use crate::follow;
use crate::input::Merged;
use crate::page::Page;
use crate::perfetto::Trace;
use crate::session::Session;

/// Lines between two progress messages.
const PROGRESS: u32 = 100_000;

/// Shows a session as the command line says. Prints the written files on stderr.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args) -> Result<(), Error> {
    if args.follow {
        return follow::follow(&args.files, args.once);
    }
    let page = match (&args.output, &args.perfetto) {
        (Some(output), _) => Some(output.clone()),
        (None, Some(_)) => None,
        (None, None) => Some(beside(&args.files[0])),
    };
    distinct(&args.files, page.iter().chain(&args.perfetto))?;
    let total = args.files.iter().filter_map(|file| file.metadata().ok());
    let total: u64 = total.map(|file| file.len()).sum();
    let input = Merged::open(&args.files)?;
    let mut rows = Page::default();
    let mut trace = args.perfetto.as_deref().map(Trace::create).transpose()?;
    let session = Session::read(input, |row, bytes| {
        if row.at > 0 && row.at.is_multiple_of(PROGRESS) {
            let percent = (100 * bytes).checked_div(total).unwrap_or(100).min(100);
            eprintln!("view: {} lines read, {percent} %", row.at);
        }
        if page.is_some() {
            rows.event(&row);
        }
        Ok(())
    })?;
    if session.lines == 0 {
        return Err(Error::Empty {
            path: args.files[0].clone(),
        });
    }
    if let Some(path) = page {
        rows.write(&session, &args.files, &path)?;
        told(&session, &path);
    }
    if let Some((trace, path)) = trace.as_mut().zip(args.perfetto.as_ref()) {
        trace.write(&session)?;
        told(&session, path);
    }
    Ok(())
}

fn told(session: &Session, path: &Path) {
    eprintln!(
        "view: {} lines as {} acts and {} rows of story: {}",
        session.lines,
        session.acts.len(),
        session.story.len(),
        path.display()
    );
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(".html");
    name.into()
}

/// Refuses an output that is also an input or another output, because writing empties it.
fn distinct<'a>(
    inputs: &[PathBuf],
    outputs: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Error> {
    let mut taken: Vec<Place> = inputs.iter().filter_map(|file| place(file)).collect();
    for path in outputs {
        let Some(place) = place(path) else { continue };
        if taken.contains(&place) {
            return Err(Error::Twice { path: path.clone() });
        }
        taken.push(place);
    }
    Ok(())
}

/// Identifies a file.
#[derive(PartialEq, Eq)]
enum Place {
    /// Device and inode of a file that is there: it may have several names.
    File(u64, u64),
    /// The name of a file that is not there yet.
    Name(PathBuf),
}

/// The place of a file. None for a device or a pipe, which a write does not empty.
fn place(path: &Path) -> Option<Place> {
    match path.metadata() {
        Ok(found) => found
            .is_file()
            .then(|| Place::File(found.dev(), found.ino())),
        Err(_) => {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            let folder = folder.unwrap_or(Path::new(".")).canonicalize();
            let named = folder.ok().zip(path.file_name());
            let name = named.map(|(folder, name)| folder.join(name));
            Some(Place::Name(name.unwrap_or_else(|| path.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests;
