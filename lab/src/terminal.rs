//! Shows guests' consoles on the terminal that started the lab.

use std::collections::VecDeque;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::guest::Guest;
use crate::keys::{Key, Keys};
use crate::say::say;

/// Shows the console of guest `first` until the user leaves. Keys go to the guest. See [`Keys`].
///
/// # Errors
/// The terminal cannot be set up.
pub(crate) async fn attach(guests: &[Arc<Guest>], first: usize) -> Result<(), Error> {
    let _raw = Raw::new()?;
    let mut typed = keyboard();
    let mut keys = Keys::default();
    // Keys behind one that leaves a console are for the next console.
    let mut waiting = VecDeque::new();
    // A guest that carries out no command must not keep the user from its console, or from leaving it. These tasks
    // end with this function.
    let mut fitting = JoinSet::new();
    let mut current = first;
    loop {
        let Some(guest) = guests.get(current) else {
            return Ok(());
        };
        fitting.spawn(fit(Arc::clone(guest)));
        match look_at(guest, &mut typed, &mut keys, &mut waiting).await {
            Left::Quit => return Ok(()),
            Left::Switch(number) if number < guests.len() => current = number,
            Left::Switch(number) => show(&format!("\r\n[no guest {number}]\r\n")),
            Left::Next => current = (current + 1) % guests.len(),
            Left::Ended(how) => {
                show(&format!("\r\n[guest {current}: {how}]\r\n"));
                let alive = guests.iter().position(|guest| guest.is_running());
                let Some(other) = alive else { return Ok(()) };
                current = other;
            }
        }
        show(&format!("\r\n[console of guest {current}]\r\n"));
    }
}

/// The reason why the lab leaves a console.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Quit,
    Switch(usize),
    Next,
    Ended(String),
}

async fn look_at(
    guest: &Guest,
    typed: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    keys: &mut Keys,
    waiting: &mut VecDeque<Key>,
) -> Left {
    let mut output = guest.console.output();
    // Asks the guest for a new prompt.
    guest.console.type_in(b"\n".to_vec());
    loop {
        if let Some(left) = press(waiting, |bytes| guest.console.type_in(bytes)) {
            return left;
        }
        tokio::select! {
            piece = output.recv() => match piece {
                Ok(bytes) => show_bytes(&bytes),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Left::Ended(guest.ended().await),
            },
            how = guest.ended() => return Left::Ended(how),
            bytes = typed.recv() => {
                // The end of standard input means that the user leaves.
                let Some(bytes) = bytes else { return Left::Quit };
                waiting.extend(keys.take(&bytes));
            }
        }
    }
}

/// Carries out the waiting keys, up to one that leaves the console.
fn press(waiting: &mut VecDeque<Key>, type_in: impl Fn(Vec<u8>)) -> Option<Left> {
    while let Some(key) = waiting.pop_front() {
        match key {
            Key::Typed(bytes) => type_in(bytes),
            Key::Guest(number) => return Some(Left::Switch(number)),
            Key::Next => return Some(Left::Next),
            Key::Help => show(&format!("\r\n[{}]\r\n", Keys::HELP)),
            Key::Quit => return Some(Left::Quit),
        }
    }
    None
}

/// Tells the guest the size of the terminal.
async fn fit(guest: Arc<Guest>) {
    if let Ok(size) = tcgetwinsize(std::io::stdout())
        && size.ws_row > 0
        && guest.is_running()
    {
        let (rows, columns) = (size.ws_row, size.ws_col);
        // Without the size, lines only wrap in odd places.
        let _ = guest
            .run(&format!("stty -F /dev/ttysclp0 rows {rows} cols {columns}"))
            .await;
    }
}

/// Whether standard input is a terminal.
pub(crate) fn present() -> bool {
    std::io::stdin().is_terminal()
}

/// The typed bytes. The thread ends with the process.
fn keyboard() -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        while let Ok(got @ 1..) = std::io::stdin().read(&mut bytes) {
            let piece = bytes.get(..got).unwrap_or_default().to_vec();
            if sender.send(piece).is_err() {
                break;
            }
        }
    });
    receiver
}

fn show(text: &str) {
    show_bytes(text.as_bytes());
}

fn show_bytes(bytes: &[u8]) {
    let mut output = std::io::stdout().lock();
    // If the terminal goes away, SIGHUP ends the lab.
    let _ = output.write_all(bytes).and_then(|()| output.flush());
}

/// Makes the terminal pass on every key until this value is dropped.
struct Raw(Termios);

impl Raw {
    fn new() -> Result<Self, Error> {
        let before = tcgetattr(std::io::stdin().as_fd())
            .map_err(|error| Error::system("use the terminal")(error.into()))?;
        let mut raw = before.clone();
        raw.make_raw();
        // The lab's own messages have plain line ends.
        raw.output_modes = before.output_modes;
        say(format_args!("{}", Keys::HELP));
        tcsetattr(std::io::stdin().as_fd(), OptionalActions::Now, &raw)
            .map_err(|error| Error::system("use the terminal")(error.into()))?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Now, &self.0);
        show("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{Left, press};
    use crate::keys::Keys;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    #[test]
    fn keys_behind_one_that_leaves_a_console_are_for_the_next() {
        let mut waiting = VecDeque::from(Keys::default().take(b"a\x1d1b\x1dnc\x1dqd"));
        let typed = RefCell::new(Vec::new());
        let mut press = || press(&mut waiting, |bytes| typed.borrow_mut().extend(bytes));
        for (left, so_far) in [
            (Some(Left::Switch(1)), "a"),
            (Some(Left::Next), "ab"),
            (Some(Left::Quit), "abc"),
            (None, "abcd"),
            (None, "abcd"),
        ] {
            assert_eq!(press(), left);
            assert_eq!(*typed.borrow(), so_far.as_bytes());
        }
    }
}
