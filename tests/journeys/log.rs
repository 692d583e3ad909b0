//! What is logged while a test listens.

use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Everything that our crates log, and what others do from `info` on: functions log no more.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens on this thread, as long as the guard lives.
    pub(crate) fn listen(&self) -> DefaultGuard {
        let others =
            ["aws_config", "aws_smithy_runtime", "aws_sdk_dynamodb", "aws_sdk_sqs", "hyper", "hyper_util", "reqwest"];
        let targets = others.iter().map(|target| (*target, LevelFilter::INFO));
        let filter = Targets::new().with_default(LevelFilter::DEBUG).with_targets(targets);
        let lines = tracing_subscriber::fmt::layer().json().with_writer(self.clone());
        tracing_subscriber::registry().with(lines.with_filter(filter)).set_default()
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
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

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
