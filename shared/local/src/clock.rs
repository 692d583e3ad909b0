//! The platform's clock: real time plus an offset, or a held time. It only moves forward.

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

/// The clock that all parts of a platform share. Clones share the same time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `true`: real time plus an offset. `false`: held time.
    runs: bool,
    /// In milliseconds. Held clock: time since the Unix epoch. Running clock: offset from real
    /// time.
    millis: AtomicI64,
}

impl Clock {
    /// A clock that runs `offset` ahead of real time.
    pub fn running(offset: Duration) -> Self {
        Self(Arc::new(Inner { runs: true, millis: AtomicI64::new(as_millis(offset)) }))
    }

    /// A held clock that starts at `time`. Each read advances it by 1 ms, so that no two reads
    /// return the same time.
    pub fn held_at(time: Timestamp) -> Self {
        Self(Arc::new(Inner { runs: false, millis: AtomicI64::new(time.millis()) }))
    }

    /// Returns the current time. On a held clock, each call advances it by 1 ms.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(if self.0.runs {
            real_millis() + self.0.millis.load(SeqCst)
        } else {
            self.0.millis.fetch_add(1, SeqCst) + 1
        })
    }

    /// Whether the clock follows real time. `false`: it is held.
    pub fn runs(&self) -> bool {
        self.0.runs
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.millis.fetch_add(as_millis(by), SeqCst);
    }

    /// How far a running clock is ahead of real time.
    pub(crate) fn offset(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.millis.load(SeqCst)).unwrap_or_default())
    }
}

fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "only the platform's clock reads the system time")]
fn real_millis() -> i64 {
    as_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH
            + Duration::from_millis(u64::try_from(Clock::now(self).millis()).unwrap_or_default())
    }
}

impl AsyncSleep for Clock {
    /// On a held clock, the sleeper does not wait. It yields once, so that other tasks can run.
    fn sleep(&self, duration: Duration) -> Sleep {
        if self.0.runs {
            Sleep::new(tokio::time::sleep(duration))
        } else {
            Sleep::new(tokio::task::yield_now())
        }
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the embedded database's clock trait returns fractional seconds"
)]
impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(Clock::now(self).seconds()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_millis(u64::try_from(Clock::now(self).millis()).unwrap_or_default())
            .as_secs_f64()
    }
}
