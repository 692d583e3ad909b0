//! Webhooks: when a message that did not arrive is sent again (Standard Webhooks 1.0.0, `spec/standard-webhooks.md`).

use crate::{DeliveryId, OrderId, Timestamp};
use std::time::Duration;

/// How long a secret that was replaced still signs beside its successor, so that the receiver has time to learn of it.
pub const PREVIOUS_SIGNS_FOR: Duration = Duration::from_hours(24);

/// How many secrets a webhook may have at once: the latest, and those that it replaced within the last day.
pub const MAX_SECRETS: usize = 5;

/// After how long a message is given up although it was not tried as often as the schedule says, for its receiver was left
/// alone: when the schedule would have ended.
pub const GIVEN_UP_AFTER: Duration = Duration::from_hours(84);

/// The longest that a receiver's wish to be left alone is granted.
pub const MAX_COOL_DOWN: Duration = Duration::from_hours(24);

/// The pauses after each failed attempt; after the last, a message is given up.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// How long to wait after so many attempts that failed (at least one), or nothing, if that was the last: the schedule's pause
/// and up to a tenth more, by `jitter` thousandths of that tenth; longer, if the receiver asked for longer.
pub fn pause_after(failed_attempts: usize, jitter: u16, asked_for: Option<Duration>) -> Option<Duration> {
    let pause = *PAUSES.get(failed_attempts.checked_sub(1)?)?;
    let jittered = pause + pause / 10 * u32::from(jitter.min(1_000)) / 1_000;
    Some(jittered.max(asked_for.unwrap_or_default().min(MAX_COOL_DOWN)))
}

impl DeliveryId {
    /// The delivery of one version of an order to a receiver: always the same, and sorted by the time of the change.
    pub fn of(order: &OrderId, version: u32, changed_at: Timestamp) -> Self {
        use sha2::{Digest, Sha256};
        let mut random = [0; 16];
        random[6..].copy_from_slice(&Sha256::digest(format!("{order}#{version}"))[..10]);
        let millis = u64::try_from(changed_at.millis()).unwrap_or_default();
        Self::from_ulid(ulid::Ulid::from_parts(millis, u128::from_be_bytes(random)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_that_of_the_specification_with_up_to_a_tenth_more() {
        let seconds: Vec<u64> =
            (1..20).map_while(|failed| pause_after(failed, 0, None)).map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(seconds.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
        let most: Duration = (1..=9).filter_map(|failed| pause_after(failed, 1_000, None)).sum();
        assert!(most < GIVEN_UP_AFTER && GIVEN_UP_AFTER < most + Duration::from_hours(1));
        assert_eq!(pause_after(2, 1_000, None), Some(Duration::from_secs(330)));
        assert_eq!(pause_after(2, 500, None), Some(Duration::from_secs(315)));
        assert_eq!(pause_after(1, 0, Some(Duration::from_mins(2))), Some(Duration::from_mins(2)));
        assert_eq!(pause_after(3, 0, Some(Duration::from_mins(2))), Some(Duration::from_mins(30)));
        assert_eq!(pause_after(10, 0, Some(Duration::from_mins(2))), None, "ten attempts are all");
    }
}
