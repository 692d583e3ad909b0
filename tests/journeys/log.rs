//! What is logged while a test listens.
//!
//! One subscriber serves all tests, for what is logged where is decided once for a process; it writes what the thread of a
//! test that listens logs, and nothing else.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};
use tracing::{Level, Metadata};
use tracing_subscriber::{Layer, filter::DynFilterFn, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

thread_local! {
    /// Where what this thread logs is written.
    static LISTENING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Everything that our crates log, and what others do from `info` on: functions log no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// Listens as long as it lives.
#[derive(Debug)]
pub(crate) struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

impl Log {
    /// Listens to this thread.
    pub(crate) fn listen(&self) -> Listening {
        INSTALLED.call_once(|| {
            // Asked for each line: a FilterFn would decide once for all threads.
            let heard = DynFilterFn::new(|about, _| is_ours(about) && LISTENING.with_borrow(Option::is_some));
            let lines = tracing_subscriber::fmt::layer().json().with_writer(OfThread);
            tracing_subscriber::registry().with(lines.with_filter(heard)).init();
        });
        LISTENING.set(Some(self.clone()));
        Listening
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Whether a function could log it: what others say below `info` it does not, whatever it is told.
fn is_ours(about: &Metadata<'_>) -> bool {
    let others = ["aws_", "hyper", "reqwest"];
    *about.level() <= Level::INFO
        || (*about.level() == Level::DEBUG && !others.iter().any(|other| about.target().starts_with(other)))
}

/// Writes to the log that listens to this thread.
struct OfThread;

impl<'a> MakeWriter<'a> for OfThread {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        LISTENING.with_borrow(Clone::clone).unwrap_or_default()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
