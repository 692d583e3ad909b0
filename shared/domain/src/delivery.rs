//! Deliveries: the destination of an order, and the rider or carrier who delivers it.

use crate::{RiderId, geohash::Position, phone::PhoneNumber};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The destination and recipient of an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The recipient's name, 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The recipient's phone number.
    pub phone: PhoneNumber,
    /// The postal code (우편번호), 1 to 10 letters, digits and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// The street address as written by the customer, 1 to 500 characters.
    pub address: String,
    /// A note for the carrier or rider, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The latitude in decimal degrees. It is given with `lng` or not at all. An order of a store
    /// needs both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<Degrees>,
    /// The longitude in decimal degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lng: Option<Degrees>,
}

/// Redacted: a delivery contains personal data, which must not be logged.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery(…)")
    }
}

/// Why a delivery is invalid: the name of the field, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{1}")]
pub struct InvalidDelivery(pub &'static str, pub &'static str);

impl Delivery {
    /// The position of the destination, if the customer gave coordinates.
    pub fn position(&self) -> Option<Position> {
        self.lat.zip(self.lng).map(|(lat, lng)| Position { lat, lng })
    }

    /// Checks the limits that the types do not enforce.
    pub fn check(&self) -> Result<(), InvalidDelivery> {
        let length = |text: &Option<String>| text.as_ref().map(|text| text.chars().count());
        if !(1..=500).contains(&self.address.chars().count()) {
            return Err(InvalidDelivery("address", "must be 1 to 500 characters"));
        }
        if length(&self.recipient).is_some_and(|length| !(1..=100).contains(&length)) {
            return Err(InvalidDelivery("recipient", "must be 1 to 100 characters"));
        }
        let is_code = |code: &String| {
            (1..=10).contains(&code.len())
                && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if self.postcode.as_ref().is_some_and(|code| !is_code(code)) {
            return Err(InvalidDelivery("postcode", "must be 1 to 10 letters, digits and '-'"));
        }
        if length(&self.memo).is_some_and(|length| length > 200) {
            return Err(InvalidDelivery("memo", "must be at most 200 characters"));
        }
        if self.lat.is_some() != self.lng.is_some() {
            return Err(InvalidDelivery(
                if self.lat.is_none() { "lat" } else { "lng" },
                "is required with the other coordinate",
            ));
        }
        if self.lat.is_some_and(|lat| !lat.is_latitude()) {
            return Err(InvalidDelivery("lat", "must be -90 to 90 degrees"));
        }
        Ok(())
    }

    /// All fields as one text, for comparing two requests.
    pub fn meaning(&self) -> String {
        let Self { recipient, phone, postcode, address, memo, lat, lng } = self;
        let degrees = |degrees: &Option<Degrees>| {
            degrees.map(|degrees| degrees.to_string()).unwrap_or_default()
        };
        let (lat, lng) = (degrees(lat), degrees(lng));
        format!("{lat},{lng},{},{postcode:?},{recipient:?},{memo:?},{address:?}", phone.as_str())
    }
}

/// A shipped parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// The carrier, 1 to 50 characters.
    pub carrier: String,
    /// The carrier's tracking number, 1 to 64 characters.
    pub tracking_number: String,
}

/// Why a shipment is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShipment {
    /// The carrier is empty or too long.
    #[error("must be 1 to 50 characters")]
    Carrier,
    /// The tracking number is empty or too long.
    #[error("must be 1 to 64 characters")]
    TrackingNumber,
}

impl Shipment {
    /// Checks the limits that the types do not enforce.
    pub fn check(&self) -> Result<(), InvalidShipment> {
        if !(1..=50).contains(&self.carrier.chars().count()) {
            return Err(InvalidShipment::Carrier);
        }
        let is_number = (1..=64).contains(&self.tracking_number.chars().count());
        if is_number { Ok(()) } else { Err(InvalidShipment::TrackingNumber) }
    }
}

/// Who delivered the order to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Handover {
    /// A rider.
    Rider {
        /// The rider's id.
        rider_id: RiderId,
    },
    /// A carrier, with the parcel.
    Carrier(Shipment),
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
