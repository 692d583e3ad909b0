//! Circuit breakers: when to stop calling another company's system, and when to try it again.
//!
//! A circuit is closed (calls go through) or open (they do not). Once the time of an open one is over, one caller at a time
//! may probe: if the probe goes well the circuit closes, if not it stays open for another while.

use crate::{NotStarted, Open, Timestamp, Variables};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far back calls count.
pub const WINDOW: Duration = Duration::from_secs(30);

/// The unit in which calls are counted.
pub const SLOT: Duration = Duration::from_secs(10);

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Fewer calls in the window than these say nothing.
    pub min_calls: u64,
    /// The share of bad calls, in percent, from which on the circuit opens.
    pub bad_percent: u64,
    /// A call that took longer is bad, whatever came of it.
    pub slow_call: Duration,
    /// How long the circuit stays open before it is probed.
    pub open_for: Duration,
}

impl<E: Variables> Open<E> for Thresholds {
    /// The template's parameters: `CIRCUIT_MIN_CALLS`, `CIRCUIT_BAD_PERCENT`, `CIRCUIT_SLOW_SECONDS`, `CIRCUIT_OPEN_SECONDS`.
    fn open(env: &E) -> Result<Self, NotStarted> {
        Ok(Self {
            min_calls: env.number("CIRCUIT_MIN_CALLS")?,
            bad_percent: env.number("CIRCUIT_BAD_PERCENT")?,
            slow_call: Duration::from_secs(env.number("CIRCUIT_SLOW_SECONDS")?),
            open_for: Duration::from_secs(env.number("CIRCUIT_OPEN_SECONDS")?),
        })
    }
}

/// How long a probe may take before another caller may try: longer than any call.
pub const PROBE_FOR: Duration = Duration::from_secs(15);

/// How long others wait for what a probe finds: it seldom takes as long as it may.
pub const PROBE_WAIT: Duration = Duration::from_secs(2);

/// A circuit as everybody shares it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Circuit {
    /// One more with each change; calls are counted anew for each, so that what opened a circuit does not open it again.
    pub version: u32,
    /// Until when it is open; nothing if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// Until when somebody probes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed_until: Option<Timestamp>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Call.
    Call,
    /// Call, if this becomes the circuit: then the caller is the one who probes.
    Probe(Circuit),
    /// Do not call; come back after so long.
    Wait(Duration),
}

/// Calls that were made, and how many of them failed or were slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// All.
    pub all: u64,
    /// Those that failed or were slow.
    pub bad: u64,
}

impl Calls {
    /// One call, and how it went.
    pub fn one(succeeded: bool, took: Duration, thresholds: &Thresholds) -> Self {
        Self { all: 1, bad: u64::from(!succeeded || took > thresholds.slow_call) }
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, bad: self.bad + other.bad }
    }

    /// Whether so many are bad that nobody should call for a while.
    pub const fn are_too_bad(self, thresholds: &Thresholds) -> bool {
        self.all >= thresholds.min_calls && self.bad * 100 >= self.all * thresholds.bad_percent
    }
}

/// The slot of a moment.
pub fn slot(now: Timestamp) -> i64 {
    now.millis().div_euclid(i64::try_from(SLOT.as_millis()).unwrap_or(1))
}

/// How many slots a window has.
pub const SLOTS_IN_WINDOW: i64 = 3;

impl Circuit {
    /// What a caller may do now.
    pub fn admission(&self, now: Timestamp) -> Admission {
        let Some(open_until) = self.open_until else { return Admission::Call };
        match self.probed_until {
            _ if now < open_until => Admission::Wait(now.until(open_until)),
            Some(probed_until) if now < probed_until => Admission::Wait(now.until(probed_until).min(PROBE_WAIT)),
            _ => Admission::Probe(Self {
                version: self.version + 1,
                probed_until: Some(now.plus(PROBE_FOR)),
                ..self.clone()
            }),
        }
    }

    /// As open as it was, and probed by nobody.
    #[must_use]
    pub fn not_probed(&self) -> Self {
        Self { version: self.version + 1, probed_until: None, ..self.clone() }
    }

    /// Open from now on.
    #[must_use]
    pub fn opened(&self, now: Timestamp, thresholds: &Thresholds) -> Self {
        Self { version: self.version + 1, open_until: Some(now.plus(thresholds.open_for)), probed_until: None }
    }

    /// Open until then, for the system asked to be left alone.
    #[must_use]
    pub const fn left_alone(&self, until: Timestamp) -> Self {
        Self { version: self.version + 1, open_until: Some(until), probed_until: None }
    }

    /// Closed from now on.
    #[must_use]
    pub const fn closed(&self) -> Self {
        Self { version: self.version + 1, open_until: None, probed_until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Thresholds = Thresholds {
        min_calls: 5,
        bad_percent: 50,
        slow_call: Duration::from_secs(3),
        open_for: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_circuit_opens_by_the_share_of_bad_calls_and_not_by_a_few() {
        assert!(!Calls { all: 4, bad: 4 }.are_too_bad(&USUAL));
        assert!(Calls { all: 5, bad: 3 }.are_too_bad(&USUAL));
        assert!(!Calls { all: 1_000, bad: 499 }.are_too_bad(&USUAL));
        assert!(Calls { all: 1_000, bad: 500 }.are_too_bad(&USUAL));
        let one = |succeeded, took| Calls::one(succeeded, took, &USUAL);
        assert_eq!(one(true, USUAL.slow_call), Calls { all: 1, bad: 0 });
        assert_eq!(one(true, USUAL.slow_call + Duration::from_millis(1)), Calls { all: 1, bad: 1 });
        assert_eq!(one(false, Duration::ZERO).and(one(true, Duration::ZERO)), Calls { all: 2, bad: 1 });
        assert_eq!(SLOT * u32::try_from(SLOTS_IN_WINDOW).unwrap(), WINDOW);
    }

    #[test]
    fn an_open_circuit_lets_one_probe_through_at_a_time() {
        let circuit = Circuit::default();
        assert_eq!(circuit.admission(at(0)), Admission::Call);
        let open = circuit.opened(at(0), &USUAL);
        assert_eq!(open.admission(at(4)), Admission::Wait(Duration::from_secs(6)));
        let Admission::Probe(probed) = open.admission(at(10)) else { unreachable!("its time is over") };
        assert_eq!(probed.admission(at(11)), Admission::Wait(PROBE_WAIT));
        assert!(matches!(probed.admission(at(25)), Admission::Probe(_)), "a prober that died is replaced");
        assert_eq!(probed.closed().admission(at(11)), Admission::Call);
        assert_eq!(probed.opened(at(12), &USUAL).admission(at(13)), Admission::Wait(Duration::from_secs(9)));
        assert!(probed.closed().version > open.version, "calls are counted anew");
    }
}
