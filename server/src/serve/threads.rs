//! The threads that serve: one for each function, with a runtime of its own.
//!
//! A function's clients are served where the system wakes up for them, and nobody else's messages
//! are in the way. The threads and what they wait with are made before the sandbox is closed, which
//! allows neither; they sleep until something is spawned on them.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Turns that tasks have before the system is asked for events; a task that looks for its next
/// message without waiting keeps having turns.
const TURNS: u32 = 16;

/// Threads by function; ended, with what runs on them, when dropped.
#[derive(Debug)]
pub struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    handle: Handle,
    /// Dropped to end it.
    stay: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts one for each name.
    pub fn start<'a>(names: impl IntoIterator<Item = &'a str>) -> std::io::Result<Self> {
        names
            .into_iter()
            .map(Thread::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The place where tasks of function `at` are spawned.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn handle(&self, at: usize) -> &Handle {
        &self.0[at].handle
    }
}

impl Thread {
    fn start(name: &str) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .event_interval(TURNS)
            .build()?;
        let handle = runtime.handle().clone();
        let (stay, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // An error is the sender's being dropped.
                let _ = runtime.block_on(ended);
            })?;
        Ok(Self {
            handle,
            stay: Some(stay),
            thread: Some(thread),
        })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stay.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_run_on_the_thread_of_their_function() {
        let threads = Threads::start(["one", "two"]).unwrap();
        let name = || async { std::thread::current().name().map(str::to_owned) };
        let one = threads.handle(0).spawn(name()).await.unwrap();
        let two = threads.handle(1).spawn(name()).await.unwrap();
        assert_eq!((one.as_deref(), two.as_deref()), (Some("one"), Some("two")));
    }

    #[test]
    fn dropping_ends_what_runs() {
        let threads = Threads::start(["one"]).unwrap();
        let (held, gone) = oneshot::channel::<()>();
        threads.handle(0).spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(threads);
        assert!(gone.blocking_recv().is_err());
    }
}
