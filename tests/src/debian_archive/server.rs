//! An HTTP server on loopback, with faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A wrong answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error status.
    Status(u16),
    /// Wrong content of the right length.
    Wrong,
    /// Only the first bytes, with a length that matches them.
    Truncated(usize),
    /// Only so many bytes, then the connection closes.
    Cut(usize),
    /// Like `Cut`, but only the first time.
    CutOnce(usize),
    /// Only so many bytes, and then nothing.
    Stalled(usize),
    /// Like `Stalled`, but only the first time.
    StalledOnce(usize),
    /// Single bytes, with pauses.
    Trickle,
    /// A redirection to this address.
    Redirect(String),
    /// The right content from the beginning, whatever the requested range, and cut once.
    NoRange(usize),
    /// No answer at all.
    Silent,
    /// This page, whatever the request.
    Page(String),
}

/// A request that the server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Path of the requested file.
    pub path: String,
    /// First requested byte of the file, if the request names a range.
    pub from: Option<usize>,
    /// Host in the request's first line, for a request to a proxy.
    pub host: Option<String>,
    /// Credentials that the client sent to a proxy.
    pub rights: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    faults: Vec<(String, Fault)>,
    asked: Vec<Asked>,
}

pub(super) struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) fn start(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        // The thread ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that disconnects causes no error of the server.
                thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        Self { address, state }
    }

    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.state
            .lock()
            .unwrap()
            .files
            .insert(path.to_owned(), bytes);
    }

    pub(super) fn get(&self, end: &str) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let found = state.files.iter().find(|(path, _)| path.ends_with(end));
        found.unwrap_or_else(|| panic!("no {end}")).1.clone()
    }

    pub(super) fn break_at(&self, part: &str, fault: Fault) {
        self.state
            .lock()
            .unwrap()
            .faults
            .push((part.to_owned(), fault));
    }

    pub(super) fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    pub(super) fn asked(&self, part: &str) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        let all = state.asked.iter().filter(|asked| asked.path.contains(part));
        all.cloned().collect()
    }
}

/// Answers requests on one connection until one of them ends it.
fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().replace("%2b", "+");
        // A request to a proxy has the whole address.
        let (host, path) = match path.strip_prefix("http://") {
            Some(rest) => {
                let at = rest.find('/').unwrap_or(rest.len());
                (Some(rest[..at].to_owned()), rest[at..].to_owned())
            }
            None => (None, path),
        };
        let (mut from, mut rights) = (None, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let whole = header.trim();
            if let Some((_, value)) = whole.split_once("Authorization: ") {
                rights = Some(value.to_owned());
            }
            let header = whole.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(range) = header.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().ok();
            }
        }
        let asked = Asked {
            path,
            from,
            host,
            rights,
        };
        // Proxies commonly refuse this for every port except 443.
        if method == "CONNECT" {
            state.lock().unwrap().asked.push(asked);
            let mut stream = stream;
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(());
        }
        let (file, fault) = look_up(asked, state);
        if !answer(stream, file, from, fault.as_ref())? {
            return Ok(());
        }
    }
}

fn look_up(asked: Asked, state: &Mutex<State>) -> (Option<Vec<u8>>, Option<Fault>) {
    let path = asked.path.clone();
    let mut state = state.lock().unwrap();
    state.asked.push(asked);
    let place = state
        .faults
        .iter()
        .position(|(part, _)| path.contains(part.as_str()));
    let fault = place.map(|at| state.faults[at].1.clone());
    if let (Some(at), Some(Fault::CutOnce(_) | Fault::StalledOnce(_) | Fault::NoRange(_))) =
        (place, &fault)
    {
        let (part, fault) = state.faults.remove(at);
        // The content after the cut also ignores ranges.
        if let Fault::NoRange(_) = fault {
            state.faults.push((part, Fault::NoRange(usize::MAX)));
        }
    }
    let page = match &fault {
        Some(Fault::Page(text)) => Some(text.clone().into_bytes()),
        _ => state.files.get(&path).cloned(),
    };
    (page, fault)
}

/// Answers a request. Returns true if the connection goes on.
fn answer(
    mut stream: &TcpStream,
    file: Option<Vec<u8>>,
    from: Option<usize>,
    fault: Option<&Fault>,
) -> std::io::Result<bool> {
    let empty = |status: &str, more: &str| {
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
    };
    match fault {
        Some(Fault::Status(status)) => {
            stream.write_all(empty(&format!("{status} Trouble"), "").as_bytes())?;
            return Ok(false);
        }
        Some(Fault::Redirect(to)) => {
            let to = format!("Location: {to}\r\n");
            stream.write_all(empty("302 Found", &to).as_bytes())?;
            return Ok(false);
        }
        Some(Fault::Silent) => {
            thread::sleep(Duration::from_secs(60));
            return Ok(false);
        }
        _ => {}
    }
    let Some(mut bytes) = file else {
        stream.write_all(empty("404 Not Found", "").as_bytes())?;
        return Ok(false);
    };
    match fault {
        Some(Fault::Wrong) => bytes.iter_mut().for_each(|byte| *byte = !*byte),
        Some(Fault::Truncated(length)) => bytes.truncate(*length),
        _ => {}
    }
    let whole = bytes.len();
    let from = from.filter(|_| !matches!(fault, Some(Fault::NoRange(_))));
    let head = match from {
        Some(from) if from < whole => {
            bytes.drain(..from);
            format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{whole}",
                whole - 1
            )
        }
        Some(_) => format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{whole}"),
        None => "200 OK".to_owned(),
    };
    if head.starts_with("416") {
        bytes.clear();
    }
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", bytes.len());
    stream.write_all(head.as_bytes())?;
    match fault {
        Some(Fault::Cut(length) | Fault::CutOnce(length) | Fault::NoRange(length)) => {
            stream.write_all(&bytes[..bytes.len().min(*length)])?;
            Ok(*length >= bytes.len())
        }
        Some(Fault::Stalled(length) | Fault::StalledOnce(length)) => {
            stream.write_all(&bytes[..bytes.len().min(*length)])?;
            thread::sleep(Duration::from_secs(60));
            Ok(false)
        }
        Some(Fault::Trickle) => {
            for byte in bytes {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(false)
        }
        _ => {
            stream.write_all(&bytes)?;
            Ok(true)
        }
    }
}
