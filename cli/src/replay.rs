//! `replay`: against a running server, or against functions in this process.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use vfio_user_ism_server::{Request, ServeConfig, Server, SocketChoice, sandbox};
use vfio_user_ism_view::replay::{self, Outcome, ReplayArgs};

use crate::chosen::plan;
use crate::failure::{Failure, ToolFailure, VIOLATIONS, system};
use crate::logging::{self, LogFormat};
use crate::output::print;

/// Replays a capture and prints the differences. The exit status is 1 if there are any.
pub(crate) fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let outcome = match &args.to {
        Some(to) => replay::replay(&args.file, to).map_err(ToolFailure::Replay)?,
        None => {
            logging::start(LogFormat::Text);
            in_memory(&args.file, args.profile.as_deref())?
        }
    };
    print(&outcome.to_string())?;
    Ok(match outcome.differences.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(VIOLATIONS),
    })
}

/// Replays against functions of a profile, which threads of this process serve.
fn in_memory(file: &Path, profile: Option<&Path>) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir().map_err(system("cannot make a folder for sockets"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the runtime"))?;
    let mut plan = plan(profile)?;
    for function in &mut plan.functions {
        // The player knows a function by its name alone, and the profile may name its socket otherwise.
        function.socket = format!("{}.sock", function.config.name);
    }
    let config = ServeConfig {
        plan,
        sockets: SocketChoice::Folder(folder.path().to_owned()),
        events: None,
        capture: None,
        report: None,
        metrics: None,
        control: None,
        // This process must still read the capture.
        sandbox: sandbox::Mode::Off,
        poll: Duration::ZERO,
    };
    let mut server = Server::start(config).map_err(Failure::Start)?;
    let (stop, requests) = mpsc::channel(1);
    let (file, sockets) = (file.to_owned(), folder.path().to_owned());
    let playing = std::thread::spawn(move || {
        let outcome = replay::replay(&file, &sockets);
        let _ = stop.blocking_send(Request::Stop);
        outcome
    });
    let served = runtime.block_on(server.serve(requests));
    served.map_err(system("cannot serve"))?;
    let outcome = playing.join().map_err(|_| {
        system("the thread that replays the capture failed")(std::io::ErrorKind::Other.into())
    })?;
    server.end().map_err(Failure::Report)?;
    Ok(outcome.map_err(ToolFailure::Replay)?)
}
