//! Carries out the command line of `view`.

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
