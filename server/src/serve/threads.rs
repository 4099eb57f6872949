//! The threads that serve clients: one for each function, with its own runtime.
//!
//! The system wakes the thread that serves a function, and messages of other functions do not delay it. The
//! threads and their runtimes must start before the sandbox, which allows neither to start; they sleep until
//! a task is spawned on them.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Number of task turns before the runtime asks the system for events. A task that polls for its next message
/// keeps having turns.
const TURNS: u32 = 16;

/// The threads, by function. Dropping this ends them and their tasks.
#[derive(Debug)]
pub struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    handle: Handle,
    /// Dropped to end the thread.
    stay: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts one thread for each name.
    pub fn start<'a>(names: impl IntoIterator<Item = &'a str>) -> std::io::Result<Self> {
        names
            .into_iter()
            .map(Thread::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the runtime on which the tasks of function `at` are spawned.
    ///
    /// # Panics
    /// Panics if there is no such function.
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
                // The error means that the sender was dropped.
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
