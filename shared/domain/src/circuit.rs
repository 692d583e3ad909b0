//! Circuit breakers: when to stop calling another company's system, and when to try it again.
//!
//! A circuit is closed (calls are made) or open (calls are not made). When the open period is over,
//! one caller at a time may probe the system. A successful probe closes the circuit. A failed probe
//! opens it for another period.

use crate::{NotStarted, Open, Timestamp, Variables};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The period over which calls are counted.
pub const WINDOW: Duration = Duration::from_secs(30);

/// The length of one counting slot.
pub const SLOT: Duration = Duration::from_secs(10);

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// The minimum number of calls in the window. With fewer calls, the circuit does not open.
    pub min_calls: u64,
    /// The percentage of bad calls at which the circuit opens.
    pub bad_percent: u64,
    /// A call that takes longer is bad, whatever its result.
    pub slow_call: Duration,
    /// How long the circuit stays open before it is probed.
    pub open_for: Duration,
}

impl<E: Variables> Open<E> for Thresholds {
    /// Reads the template's parameters `CIRCUIT_MIN_CALLS`, `CIRCUIT_BAD_PERCENT`,
    /// `CIRCUIT_SLOW_SECONDS` and `CIRCUIT_OPEN_SECONDS`.
    fn open(env: &E) -> Result<Self, NotStarted> {
        Ok(Self {
            min_calls: env.number("CIRCUIT_MIN_CALLS")?,
            bad_percent: env.number("CIRCUIT_BAD_PERCENT")?,
            slow_call: Duration::from_secs(env.number("CIRCUIT_SLOW_SECONDS")?),
            open_for: Duration::from_secs(env.number("CIRCUIT_OPEN_SECONDS")?),
        })
    }
}

/// How long a probe may take before another caller may probe. This is longer than any call.
pub const PROBE_FOR: Duration = Duration::from_secs(15);

/// The longest time that other callers wait for the result of a probe. A probe seldom takes as long
/// as it may.
pub const PROBE_WAIT: Duration = Duration::from_secs(2);

/// The state of a circuit, which all execution environments share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Circuit {
    /// Increases by one with each change. Calls are counted per version, so that the calls that
    /// opened a circuit do not open it again.
    pub version: u32,
    /// The end of the open period. `None` if the circuit is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// The end of the current probe. `None` if there is no probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed_until: Option<Timestamp>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Make the call.
    Call,
    /// Make the call as the probe, if this state of the circuit can be stored. Only one of several
    /// concurrent callers can store it.
    Probe(Circuit),
    /// Do not make the call. Retry after this time.
    Wait(Duration),
}

/// A number of calls, and how many of them failed or were slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// All calls.
    pub all: u64,
    /// Calls that failed or were slow.
    pub bad: u64,
}

impl Calls {
    /// One call, which is bad if it failed or took longer than the threshold.
    pub fn one(succeeded: bool, took: Duration, thresholds: &Thresholds) -> Self {
        Self { all: 1, bad: u64::from(!succeeded || took > thresholds.slow_call) }
    }

    /// The sum of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, bad: self.bad + other.bad }
    }

    /// Whether enough calls are bad for the circuit to open.
    pub const fn are_too_bad(self, thresholds: &Thresholds) -> bool {
        self.all >= thresholds.min_calls && self.bad * 100 >= self.all * thresholds.bad_percent
    }
}

/// The number of the slot that contains `now`.
pub fn slot(now: Timestamp) -> i64 {
    now.millis().div_euclid(i64::try_from(SLOT.as_millis()).unwrap_or(1))
}

/// The number of slots in [`WINDOW`].
pub const SLOTS_IN_WINDOW: i64 = 3;

impl Circuit {
    /// What a caller may do at `now`.
    pub fn admission(&self, now: Timestamp) -> Admission {
        let Some(open_until) = self.open_until else { return Admission::Call };
        match self.probed_until {
            _ if now < open_until => Admission::Wait(now.until(open_until)),
            Some(probed_until) if now < probed_until => {
                Admission::Wait(now.until(probed_until).min(PROBE_WAIT))
            }
            _ => Admission::Probe(Self {
                version: self.version + 1,
                probed_until: Some(now.plus(PROBE_FOR)),
                ..self.clone()
            }),
        }
    }

    /// The circuit with its probe released. It stays open until a new probe succeeds.
    #[must_use]
    pub fn not_probed(&self) -> Self {
        Self { version: self.version + 1, probed_until: None, ..self.clone() }
    }

    /// The circuit, opened at `now`.
    #[must_use]
    pub fn opened(&self, now: Timestamp, thresholds: &Thresholds) -> Self {
        Self {
            version: self.version + 1,
            open_until: Some(now.plus(thresholds.open_for)),
            probed_until: None,
        }
    }

    /// The circuit, open until `until` because the system requested a pause.
    #[must_use]
    pub const fn opened_until(&self, until: Timestamp) -> Self {
        Self { version: self.version + 1, open_until: Some(until), probed_until: None }
    }

    /// The circuit, closed.
    #[must_use]
    pub const fn closed(&self) -> Self {
        Self { version: self.version + 1, open_until: None, probed_until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        min_calls: 5,
        bad_percent: 50,
        slow_call: Duration::from_secs(3),
        open_for: Duration::from_secs(10),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_circuit_opens_at_the_percentage_of_bad_calls_once_there_are_enough_calls() {
        assert!(!Calls { all: 4, bad: 4 }.are_too_bad(&THRESHOLDS));
        assert!(Calls { all: 5, bad: 3 }.are_too_bad(&THRESHOLDS));
        assert!(!Calls { all: 1_000, bad: 499 }.are_too_bad(&THRESHOLDS));
        assert!(Calls { all: 1_000, bad: 500 }.are_too_bad(&THRESHOLDS));
        let one = |succeeded, took| Calls::one(succeeded, took, &THRESHOLDS);
        assert_eq!(one(true, THRESHOLDS.slow_call), Calls { all: 1, bad: 0 });
        assert_eq!(
            one(true, THRESHOLDS.slow_call + Duration::from_millis(1)),
            Calls { all: 1, bad: 1 }
        );
        assert_eq!(
            one(false, Duration::ZERO).and(one(true, Duration::ZERO)),
            Calls { all: 2, bad: 1 }
        );
        assert_eq!(SLOT * u32::try_from(SLOTS_IN_WINDOW).unwrap(), WINDOW);
    }

    #[test]
    fn an_open_circuit_lets_one_probe_through_at_a_time() {
        let circuit = Circuit::default();
        assert_eq!(circuit.admission(at(0)), Admission::Call);
        let open = circuit.opened(at(0), &THRESHOLDS);
        assert_eq!(open.admission(at(4)), Admission::Wait(Duration::from_secs(6)));
        let Admission::Probe(probed) = open.admission(at(10)) else {
            unreachable!("the open period is over")
        };
        assert_eq!(probed.admission(at(11)), Admission::Wait(PROBE_WAIT));
        assert!(
            matches!(probed.admission(at(25)), Admission::Probe(_)),
            "a probe without a result is replaced"
        );
        assert_eq!(probed.closed().admission(at(11)), Admission::Call);
        assert_eq!(
            probed.opened(at(12), &THRESHOLDS).admission(at(13)),
            Admission::Wait(Duration::from_secs(9))
        );
        assert!(probed.closed().version > open.version, "calls are counted per version");
    }
}
