//! `ctl`: requests to the control socket of a running server.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use vfio_user_ism_server::control;

use crate::failure::{Failure, VIOLATIONS, system};
use crate::output::{pretty, print, say};

/// Longest time to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  vfio-user-ism --socket-path /tmp/ism.sock --control /tmp/ctl.sock &
  vfio-user-ism ctl /tmp/ctl.sock functions
  vfio-user-ism ctl /tmp/ctl.sock inject ism0 error-state
  vfio-user-ism ctl /tmp/ctl.sock events

Exit status:
  0  the server did what it was asked
  1  the server refused; the reason is on stderr
  2  the command line is wrong
  3  the server cannot be reached";

/// Flags of `ctl`.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server's control socket (`serve --control SOCKET`). `schema` needs no server: give `-`.
    socket: PathBuf,
    #[command(subcommand)]
    request: Request,
}

#[derive(Clone, Debug, Subcommand)]
enum Request {
    /// List the functions: GID, condition, clients, DMBs (buffers that other functions write into).
    Functions,
    /// List the faults in force. Each has two counts: its chances, and its injections.
    Faults,
    /// Add a fault. It replaces a fault with the same id.
    Set {
        /// The fault, as JSON. `-` reads it from stdin. docs/faults.md lists all kinds.
        fault: String,
    },
    /// Remove one fault, or all faults.
    Clear {
        /// Id of the fault [default: all].
        id: Option<String>,
    },
    /// Inject one action now.
    Inject {
        /// Name of the function.
        function: String,
        /// The action: a name, or JSON as in a fault's `do`.
        action: String,
        /// Name of the other function, for actions that need one.
        #[arg(long, value_name = "FUNCTION")]
        peer: Option<String>,
    },
    /// Print the report so far, as JSON.
    Report,
    /// Print only the counts of faults and violations, as JSON.
    Counts,
    /// Print the metrics, as Prometheus text.
    Metrics,
    /// Print events as they happen, one JSON object on each line, until the server ends.
    Events,
    /// Send JSON requests from stdin, one on each line, and print the answers.
    Raw,
    /// Print the JSON schema of a request.
    Schema,
}

/// Carries out the command line.
pub(crate) fn ctl(args: &Args) -> Result<ExitCode, Failure> {
    let request = match &args.request {
        Request::Schema => return print(&pretty(&control::schema())),
        Request::Raw => return raw(args),
        Request::Functions => json!({ "request": "functions" }),
        Request::Faults => json!({ "request": "faults" }),
        Request::Set { fault } => json!({ "request": "set", "fault": fault_of(fault)? }),
        Request::Clear { id: None } => json!({ "request": "clear" }),
        Request::Clear { id } => json!({ "request": "clear", "id": id }),
        Request::Inject {
            function,
            action,
            peer,
        } => {
            let action = action_of(action)?;
            let mut request = json!({ "request": "inject", "function": function, "do": action });
            if let Some(peer) = peer {
                request["peer"] = peer.as_str().into();
            }
            request
        }
        Request::Report | Request::Counts => json!({ "request": "report" }),
        Request::Metrics => json!({ "request": "metrics" }),
        Request::Events => json!({ "request": "events" }),
    };
    let mut server = Server::connect(args)?;
    let answer = server.ask(&request)?;
    if answer["ok"] != true {
        return refused(&answer);
    }
    match &args.request {
        Request::Functions => print(&pretty(&answer["functions"])),
        Request::Faults => print(&pretty(&answer["faults"])),
        Request::Report => print(&pretty(&answer["report"])),
        Request::Counts => print(&pretty(&counts(&answer["report"]))),
        Request::Metrics => print(answer["metrics"].as_str().unwrap_or_default()),
        Request::Events => server.events(),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// A fault from the command line or stdin.
fn fault_of(text: &str) -> Result<Value, Failure> {
    let mut read = String::new();
    let text = match text {
        "-" => {
            let stdin = std::io::stdin().read_to_string(&mut read);
            stdin.map_err(system("cannot read stdin"))?;
            &read
        }
        text => text,
    };
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("the fault is not JSON: {error}")))
}

/// An action from the command line: JSON, or a plain name.
fn action_of(text: &str) -> Result<Value, Failure> {
    if !text.trim_start().starts_with(['{', '"']) {
        return Ok(text.into());
    }
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("the action is not JSON: {error}")))
}

/// The counts of faults and violations in a report.
fn counts(report: &Value) -> Value {
    let functions = report["functions"].as_array().into_iter().flatten();
    let functions = functions.map(|function| {
        json!({
            "name": function["name"],
            "faults": function["faults"],
            "rules": function["rules"],
        })
    });
    json!({
        "violations": report["violations"],
        "caused_violations": report["caused_violations"],
        "functions": functions.collect::<Vec<_>>(),
    })
}

/// Prints the server's reason for refusing a request. The exit status is 1.
fn refused(answer: &Value) -> Result<ExitCode, Failure> {
    let why = answer["error"]
        .as_str()
        .unwrap_or("the server refused without a reason");
    let _ = writeln!(std::io::stderr(), "vfio-user-ism: ctl: {why}");
    Ok(ExitCode::from(VIOLATIONS))
}

/// Sends the lines of stdin as requests. After the request for events, only events follow. The exit status is 1
/// if any answer is an error.
fn raw(args: &Args) -> Result<ExitCode, Failure> {
    let mut server = Server::connect(args)?;
    let mut good = true;
    for line in std::io::stdin().lines() {
        let line = line.map_err(system("cannot read stdin"))?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = server.ask_text(&line)?;
        if !say(format!("{answer}\n").as_bytes())? {
            break;
        }
        if answer["ok"] != true {
            good = false;
        } else if asks_for_events(&line) {
            return server.events();
        }
    }
    Ok(ExitCode::from(if good { 0 } else { VIOLATIONS }))
}

fn asks_for_events(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|request| request["request"] == "events")
}

/// A connection to a running server.
struct Server {
    stream: BufReader<UnixStream>,
}

impl Server {
    fn connect(args: &Args) -> Result<Self, Failure> {
        let what = format!("cannot reach a server at {}", args.socket.display());
        let stream = UnixStream::connect(&args.socket).map_err(system(&what))?;
        let set = stream.set_read_timeout(Some(PATIENCE));
        set.map_err(system("cannot set a timeout"))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self, request: &Value) -> Result<Value, Failure> {
        self.ask_text(&request.to_string())
    }

    fn ask_text(&mut self, request: &str) -> Result<Value, Failure> {
        let failed = system("the server does not answer");
        let sent = self
            .stream
            .get_mut()
            .write_all(format!("{request}\n").as_bytes());
        let mut answer = String::new();
        let read = sent.and_then(|()| self.stream.read_line(&mut answer));
        if read.map_err(failed)? == 0 {
            let ended = std::io::ErrorKind::UnexpectedEof.into();
            return Err(system("the server hung up")(ended));
        }
        serde_json::from_str(&answer)
            .map_err(|error| system("the server's answer is not JSON")(error.into()))
    }

    /// Prints events until the server ends or stdout is closed.
    fn events(&mut self) -> Result<ExitCode, Failure> {
        let forever = self.stream.get_ref().set_read_timeout(None);
        forever.map_err(system("cannot set a timeout"))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.stream.read_until(b'\n', &mut line);
            if read.map_err(system("cannot read events"))? == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            if line.starts_with(b"{\"ok\":false") || line.starts_with(b"{\"error\"") {
                let answer = serde_json::from_slice(&line).unwrap_or_default();
                return refused(&answer);
            }
            if !say(&line)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
