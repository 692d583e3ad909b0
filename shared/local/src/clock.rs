//! The platform's clock: real time or held time, plus an offset that only moves forward.

use aws_smithy_async::{
    rt::sleep::{AsyncSleep, Sleep},
    time::TimeSource,
};
use domain::Timestamp;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A clock that every part of a platform shares.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether time passes by itself.
    runs: bool,
    /// Milliseconds since the epoch (held), or added to real time.
    millis: AtomicI64,
}

impl Clock {
    /// Real time, `offset` ahead.
    pub fn running(offset: Duration) -> Self {
        Self(Arc::new(Inner { runs: true, millis: AtomicI64::new(as_millis(offset)) }))
    }

    /// Time that stands still but for a millisecond with each look, so that no two looks see the same.
    pub fn held_at(time: Timestamp) -> Self {
        Self(Arc::new(Inner { runs: false, millis: AtomicI64::new(time.millis()) }))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(if self.0.runs {
            real_millis() + self.0.millis.load(SeqCst)
        } else {
            self.0.millis.fetch_add(1, SeqCst) + 1
        })
    }

    /// Whether time passes by itself.
    pub fn runs(&self) -> bool {
        self.0.runs
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        self.0.millis.fetch_add(as_millis(by), SeqCst);
    }

    /// How far it is ahead of real time.
    pub(crate) fn offset(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.millis.load(SeqCst)).unwrap_or_default())
    }
}

fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the platform's clock is where its time comes from")]
fn real_millis() -> i64 {
    as_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(Clock::now(self).millis()).unwrap_or_default())
    }
}

impl AsyncSleep for Clock {
    /// Where time is held nobody waits: the others have their turn, and the sleeper goes on.
    fn sleep(&self, duration: Duration) -> Sleep {
        if self.0.runs { Sleep::new(tokio::time::sleep(duration)) } else { Sleep::new(tokio::task::yield_now()) }
    }
}

#[expect(clippy::disallowed_types, reason = "the embedded database's clock has fractional seconds")]
impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(Clock::now(self).seconds()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_millis(u64::try_from(Clock::now(self).millis()).unwrap_or_default()).as_secs_f64()
    }
}
