//! Points on the globe.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The latitude, −90° to 90°.
    pub lat: Degrees,
    /// The longitude, −180° to 180°.
    pub lng: Degrees,
}

impl Position {
    /// The position truncated to a thousandth of a degree: about 100 m.
    #[must_use]
    pub fn coarse(self) -> Self {
        Self { lat: self.lat.to_thousandth(), lng: self.lng.to_thousandth() }
    }
}

/// A coordinate as a whole number of ten-millionths of a degree (about a centimetre), −180° to
/// 180°.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degrees(i64);

impl Degrees {
    const SCALE: i64 = 10_000_000;
    const DIGITS: usize = 7;

    /// Whether the value is a valid latitude: −90° to 90°.
    pub const fn is_latitude(self) -> bool {
        self.0.abs() <= 90 * Self::SCALE
    }

    /// The coordinate truncated to a thousandth of a degree (about 100 m), towards zero.
    #[must_use]
    pub const fn to_thousandth(self) -> Self {
        Self(self.0 - self.0 % 10_000)
    }

    /// The coordinate in ten-millionths of a degree.
    pub const fn e7(self) -> i64 {
        self.0
    }
}

/// The text is not a valid coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be decimal degrees from -180 to 180")]
pub struct InvalidDegrees;

impl FromStr for Degrees {
    type Err = InvalidDegrees;

    /// Reads decimal notation. Digits after the seventh decimal place are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidDegrees> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 3 {
            return Err(InvalidDegrees);
        }
        let fraction: String =
            fraction.chars().chain(std::iter::repeat('0')).take(Self::DIGITS).collect();
        let whole: i64 = whole.parse().map_err(|_| InvalidDegrees)?;
        let fraction: i64 = fraction.parse().map_err(|_| InvalidDegrees)?;
        let degrees = whole * Self::SCALE + fraction;
        if degrees <= 180 * Self::SCALE { Ok(Self(sign * degrees)) } else { Err(InvalidDegrees) }
    }
}

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, degrees) = (if self.0 < 0 { "-" } else { "" }, self.0.abs());
        write!(f, "{sign}{}.{:07}", degrees / Self::SCALE, degrees % Self::SCALE)
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "JSON has coordinates as decimal fractions; the domain has them as whole numbers"
)]
mod degrees_wire {
    use super::{Degrees, Deserialize, Deserializer, Serialize, Serializer, de};

    impl Serialize for Degrees {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.to_string()
                .parse::<f64>()
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Degrees {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            f64::deserialize(deserializer)?.to_string().parse().map_err(de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for Degrees {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Degrees".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": -180, "maximum": 180 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_exact_to_the_centimetre_without_floats() {
        for (text, e7) in [
            ("37.5665", 375_665_000),
            ("-0.0000001", -1),
            ("180", 1_800_000_000),
            ("126.97800009", 1_269_780_000),
        ] {
            assert_eq!(text.parse::<Degrees>().unwrap().e7(), e7);
        }
        assert_eq!("-0.5".parse::<Degrees>().unwrap().to_string(), "-0.5000000");
        for bad in ["", "181", "-180.1", "NaN", "1e2", ".5", "5.", "+1", "1.2.3", "9999"] {
            assert_eq!(bad.parse::<Degrees>(), Err(InvalidDegrees), "{bad}");
        }
    }
}
