//! Captures the log lines of a test.
//!
//! `tracing` decides once per process what is logged and where, so all tests share one subscriber.
//! It captures the lines of threads that have a [`Listening`] guard, and nothing else.

use edge::Signal;
use serde_json::Value;
use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    Layer, filter::DynFilterFn, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

thread_local! {
    /// The log that receives the lines of this thread.
    static LISTENING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// The captured lines: `debug` and above of our crates, `info` and above of other crates. Functions
/// log no more than this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// A guard: the capture ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

impl Log {
    /// Captures the lines of this thread until the guard is dropped.
    pub(crate) fn listen(&self) -> Listening {
        INSTALLED.call_once(|| {
            // A `DynFilterFn` decides for each line. A `FilterFn` would decide once for all
            // threads.
            let filter = DynFilterFn::new(|metadata, _| {
                is_ours(metadata) && LISTENING.with_borrow(Option::is_some)
            });
            let lines = tracing_subscriber::fmt::layer().json().with_writer(ThreadWriter);
            tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        });
        LISTENING.set(Some(self.clone()));
        Listening
    }

    /// The signals counted so far.
    pub(crate) fn signals(&self) -> Vec<Signal> {
        let lines = self.lines();
        let metric = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["target"] == "signal")
                .then(|| line["fields"]["metric"].as_str().unwrap().to_owned())
        };
        let signal =
            |metric: String| *Signal::ALL.iter().find(|signal| signal.metric() == metric).unwrap();
        lines.lines().filter_map(metric).map(signal).collect()
    }

    /// The lines captured so far.
    pub(crate) fn lines(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Whether a function could log this line. The AWS SDK's, hyper's and reqwest's lines below `info`
/// are never captured, whatever level is enabled.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let others = ["aws_", "hyper", "reqwest"];
    *metadata.level() <= Level::INFO
        || (*metadata.level() == Level::DEBUG
            && !others.iter().any(|other| metadata.target().starts_with(other)))
}

/// Writes to the log that captures the lines of the current thread.
struct ThreadWriter;

impl<'a> MakeWriter<'a> for ThreadWriter {
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
