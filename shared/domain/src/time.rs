//! Time: UTC in milliseconds. Nothing here reads a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, time::Duration};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z. Written as
/// `2026-01-05T03:04:05.678Z`, so that text order equals time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time, such as 2026-01-05T03:04:05.678Z")]
pub struct InvalidTime;

impl Timestamp {
    /// The earliest time with a year of four digits: the start of the year 0.
    const FIRST: Self = Self(-62_167_219_200_000);
    /// The latest time with a year of four digits: the end of the year 9999.
    const LAST: Self = Self(253_402_300_799_999);

    /// The time `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as used by signatures and time-to-live attributes.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time `duration` later.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time `duration` earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The duration from `self` until `later`. Zero if `later` is before `self`.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        let time = Self(time.as_millisecond());
        if (Self::FIRST..=Self::LAST).contains(&time) { Ok(time) } else { Err(InvalidTime) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_read_back() {
        let time = Timestamp::from_millis(1_767_582_245_678);
        assert_eq!(time.to_string(), "2026-01-05T03:04:05.678Z");
        assert_eq!("2026-01-05T03:04:05.678Z".parse(), Ok(time));
        assert_eq!("2026-01-05T12:04:05.678+09:00".parse(), Ok(time));
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
