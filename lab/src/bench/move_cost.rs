//! Measures the time of one move and of a bare round trip over a socket, in turns in the same run.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use serde::Serialize;

use super::link::{Link, WRITE_REPLY, store_message};
use super::processors::Apart;

/// Bytes of one move.
pub(super) const MOVE: usize = 4096;
/// Number of round trips of each kind in one turn.
const TURN: usize = 2000;
/// Number of turns.
const TURNS: usize = 15;

const IOVA: u64 = 0x1_0000_0000;
const MEMORY: u64 = 4 << 20;
const BUFFER: u64 = IOVA + (1 << 20);

/// Medians of the turns, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct MoveCost {
    /// One move of 4 KiB through the instruction channel.
    pub move_us: f64,
    /// A round trip of messages of the same sizes to a process that only answers.
    pub bare_us: f64,
    /// Median of the turns' ratios.
    pub ratio: f64,
}

/// Measures at the function of `socket`, which has no other client. `server` is its process. `echo` starts
/// the other side of the bare round trip, which connects to a given socket. If there are two processors, this
/// side has one, and the server and the other side have the other one.
///
/// # Errors
/// A socket fails, or the function refuses something.
pub(super) fn measure(
    server: u32,
    socket: &Path,
    channel: &Path,
    echo: &Echo,
) -> io::Result<MoveCost> {
    let bare = echo.start()?;
    let apart = Apart::begin()?;
    if let Some(apart) = &apart {
        apart.take(server)?;
        apart.take(bare.process.id())?;
    }
    let measured = measure_here(socket, channel, bare);
    if let Some(apart) = &apart {
        apart.end(server)?;
    }
    measured
}

fn measure_here(socket: &Path, channel: &Path, mut bare: Bare) -> io::Result<MoveCost> {
    let mut function = Link::open(socket)?;
    let memory = memfd_create("lab-bench", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&memory, MEMORY)?;
    fcntl_add_seals(
        &memory,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    function.map(IOVA, MEMORY, memory.as_fd())?;
    let mut channel = Link::open(channel)?;
    let token = register(&mut channel)?;

    let data = [0x5a; MOVE];
    let (mut moves, mut bares, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let moved = timed(|| channel.store(0, token, &data))?;
        let echoed = timed(|| bare.round_trip())?;
        // The first turn only warms up both sides.
        if turn > 0 {
            moves.push(moved);
            bares.push(echoed);
            ratios.push(moved / echoed);
        }
    }
    Ok(MoveCost {
        move_us: median(moves),
        bare_us: median(bares),
        ratio: median(ratios),
    })
}

/// Registers an SBA, an event queue, and a buffer that this function itself may write. Returns the buffer's
/// token.
fn register(channel: &mut Link) -> io::Result<u64> {
    let gid = channel.command(0x03, &[])?;
    channel.command(0x01, &IOVA.to_be_bytes())?;
    let queue = [(IOVA + 0x1000).to_be_bytes(), 512_u64.to_be_bytes()];
    channel.command(0x02, &queue.concat())?;
    let buffer = [
        &BUFFER.to_be_bytes()[..],
        &(1_u32 << 16).to_be_bytes(),
        &32_u32.to_be_bytes(),
        &[0; 8],
        &gid.to_be_bytes(),
    ];
    channel.command(0x0a, &buffer.concat())
}

/// Average microseconds of one of [`TURN`] calls.
fn timed(mut call: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let start = Instant::now();
    for _ in 0..TURN {
        call()?;
    }
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let each = start.elapsed().as_secs_f64() * 1e6 / TURN as f64;
    Ok(each)
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The other side of the bare round trip: this program as a second process, with [`serve_echo`].
#[derive(Debug, Clone)]
pub(super) struct Echo {
    pub program: PathBuf,
    /// Path for a socket.
    pub socket: PathBuf,
}

struct Bare {
    stream: UnixStream,
    process: Child,
    message: Vec<u8>,
}

impl Echo {
    fn start(&self) -> io::Result<Bare> {
        let listener = UnixListener::bind(&self.socket)?;
        let mut command = Command::new(&self.program);
        command.args(["lab", "--echo"]).arg(&self.socket);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let (stream, _) = listener.accept()?;
        Ok(Bare {
            stream,
            process,
            message: vec![0x5a; store_message(MOVE)],
        })
    }
}

impl Bare {
    fn round_trip(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.message)?;
        self.stream.read_exact(&mut [0; WRITE_REPLY])
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // The process ends with the stream, so either may have happened.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers messages of the size of a move with messages of the size of its reply, until the other side closes
/// the socket.
///
/// # Errors
/// There is nobody at `socket`.
pub(crate) fn serve_echo(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    let mut message = vec![0; store_message(MOVE)];
    let reply = [0; WRITE_REPLY];
    while stream.read_exact(&mut message).is_ok() {
        if stream.write_all(&reply).is_err() {
            break;
        }
    }
    Ok(())
}
