//! Whole numbers in requests.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;

/// Any whole number, however long. A number outside the range of `i64` becomes the nearest limit of
/// `i64`, so that a rule refuses it.
///
/// A number with a fraction or an exponent is not a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeNumber(pub i64);

#[expect(clippy::disallowed_types, reason = "serde_json passes a number beyond 64 bits as a float")]
mod visitor {
    use super::{Visitor, WholeNumber, de, fmt};

    pub(super) struct Whole;

    /// 2^63. A float with at least this absolute value is a whole number that is too long for an
    /// `i64`.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;

    impl Visitor<'_> for Whole {
        type Value = WholeNumber;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<WholeNumber, E> {
            Ok(WholeNumber(number))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<WholeNumber, E> {
            Ok(WholeNumber(i64::try_from(number).unwrap_or(i64::MAX)))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<WholeNumber, E> {
            if number >= BEYOND {
                Ok(WholeNumber(i64::MAX))
            } else if number <= -BEYOND {
                Ok(WholeNumber(i64::MIN))
            } else {
                Err(E::invalid_type(de::Unexpected::Float(number), &self))
            }
        }
    }
}

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(visitor::Whole)
    }
}

impl schemars::JsonSchema for WholeNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WholeNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_of_any_length_is_read_and_anything_else_is_refused() {
        let read = |text: &str| {
            serde_json::from_str::<WholeNumber>(text).ok().map(|WholeNumber(number)| number)
        };
        assert_eq!(read("-5"), Some(-5));
        assert_eq!(read("9223372036854775808"), Some(i64::MAX));
        assert_eq!(read("99999999999999999999999999"), Some(i64::MAX));
        assert_eq!(read("-99999999999999999999999999"), Some(i64::MIN));
        for bad in ["1.5", "1e3", "10.0", "\"5\"", "null", "true", "NaN", "1e999", "[1]", "{}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
