//! Webhooks: the retry schedule of deliveries (Standard Webhooks 1.0.0, `spec/standard-webhooks.md`
//! in its repository).

use crate::{DeliveryId, OrderId, Timestamp};
use std::time::Duration;

/// How long a replaced secret still signs beside its successor, so that the receiver has time to
/// change to the new one.
pub const PREVIOUS_SIGNS_FOR: Duration = Duration::from_hours(24);

/// The maximum number of secrets of a webhook: the current one, and those replaced within the last
/// day.
pub const MAX_SECRETS: usize = 5;

/// The time after which a delivery is exhausted, even if an open circuit prevented some attempts of
/// the schedule. By then, the schedule would have ended.
pub const EXHAUSTED_AFTER: Duration = Duration::from_hours(84);

/// The longest pause that a receiver can request.
pub const MAX_COOL_DOWN: Duration = Duration::from_hours(24);

/// The delays after the first nine failed attempts. If the tenth attempt fails, the delivery is
/// exhausted.
const RETRY_DELAYS: [Duration; 9] = [
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

/// The delay after `failed_attempts` failed attempts (at least one), or `None` if the last attempt
/// failed. It is the delay of the schedule plus a jitter of up to a tenth of it; `jitter` is in
/// thousandths of that tenth. If the receiver requested a longer delay, that one applies, up to
/// [`MAX_COOL_DOWN`].
pub fn pause_after(
    failed_attempts: usize,
    jitter: u16,
    requested: Option<Duration>,
) -> Option<Duration> {
    let delay = *RETRY_DELAYS.get(failed_attempts.checked_sub(1)?)?;
    let jittered = delay + delay / 10 * u32::from(jitter.min(1_000)) / 1_000;
    Some(jittered.max(requested.unwrap_or_default().min(MAX_COOL_DOWN)))
}

impl DeliveryId {
    /// The id of the delivery of one version of an order to a receiver. It is always the same, and
    /// it sorts by the time of the change.
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
    fn retries_follow_the_schedule_of_the_specification_with_up_to_ten_percent_jitter() {
        let seconds: Vec<u64> = (1..20)
            .map_while(|failed| pause_after(failed, 0, None))
            .map(|delay| delay.as_secs())
            .collect();
        assert_eq!(seconds, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(seconds.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
        let most: Duration = (1..=9).filter_map(|failed| pause_after(failed, 1_000, None)).sum();
        assert!(most < EXHAUSTED_AFTER && EXHAUSTED_AFTER < most + Duration::from_hours(1));
        assert_eq!(pause_after(2, 1_000, None), Some(Duration::from_secs(330)));
        assert_eq!(pause_after(2, 500, None), Some(Duration::from_secs(315)));
        assert_eq!(pause_after(1, 0, Some(Duration::from_mins(2))), Some(Duration::from_mins(2)));
        assert_eq!(pause_after(3, 0, Some(Duration::from_mins(2))), Some(Duration::from_mins(30)));
        assert_eq!(
            pause_after(10, 0, Some(Duration::from_mins(2))),
            None,
            "ten attempts are the maximum"
        );
    }
}
