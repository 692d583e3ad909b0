//! Deliveries: where an order is brought, and by whom.

use crate::{RiderId, geohash::Position, phone::PhoneNumber};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Where and to whom an order of a store is brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The street address as the customer wrote it, 1 to 500 characters.
    pub address: String,
    /// The latitude in decimal degrees.
    pub lat: Degrees,
    /// The longitude in decimal degrees.
    pub lng: Degrees,
    /// The customer's phone number.
    pub phone: PhoneNumber,
}

/// Why a delivery cannot be made as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDelivery {
    /// The address is empty or too long.
    #[error("an address is 1 to 500 characters")]
    Address,
    /// The latitude is beyond a pole.
    #[error("a latitude is -90 to 90 degrees")]
    Latitude,
}

impl Delivery {
    /// Where it goes.
    pub const fn position(&self) -> Position {
        Position { lat: self.lat, lng: self.lng }
    }

    /// Checks what the types do not.
    pub fn check(&self) -> Result<(), InvalidDelivery> {
        if !(1..=500).contains(&self.address.chars().count()) {
            return Err(InvalidDelivery::Address);
        }
        if self.lat.is_latitude() { Ok(()) } else { Err(InvalidDelivery::Latitude) }
    }
}

/// A parcel on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number for it.
    pub tracking_number: String,
}

/// Why a parcel cannot be as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShipment {
    /// The carrier is empty or too long.
    #[error("a carrier is 1 to 50 characters")]
    Carrier,
    /// The number is empty or too long.
    #[error("a tracking number is 1 to 64 characters")]
    TrackingNumber,
}

impl Shipment {
    /// Checks what the types do not.
    pub fn check(&self) -> Result<(), InvalidShipment> {
        if !(1..=50).contains(&self.carrier.chars().count()) {
            return Err(InvalidShipment::Carrier);
        }
        let is_number = (1..=64).contains(&self.tracking_number.chars().count());
        if is_number { Ok(()) } else { Err(InvalidShipment::TrackingNumber) }
    }
}

/// By whom the customer got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Handover {
    /// By a rider.
    Rider {
        /// Who.
        rider_id: RiderId,
    },
    /// By a carrier.
    Carrier(Shipment),
}

/// A coordinate as a whole number of ten-millionths of a degree (about a centimetre), −180° to 180°.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degrees(i64);

impl Degrees {
    const SCALE: i64 = 10_000_000;
    const DIGITS: usize = 7;

    /// Whether it can be a latitude: −90° to 90°.
    pub const fn is_latitude(self) -> bool {
        self.0.abs() <= 90 * Self::SCALE
    }

    /// Ten-millionths of a degree.
    pub const fn e7(self) -> i64 {
        self.0
    }
}

/// The text is not a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be decimal degrees from -180 to 180")]
pub struct InvalidDegrees;

impl FromStr for Degrees {
    type Err = InvalidDegrees;

    /// Reads decimal notation; digits beyond the seventh after the point are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidDegrees> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 3 {
            return Err(InvalidDegrees);
        }
        let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(Self::DIGITS).collect();
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

#[expect(clippy::disallowed_types, reason = "JSON has coordinates as decimal fractions; they are whole numbers inside")]
mod degrees_wire {
    use super::{Degrees, Deserialize, Deserializer, Serialize, Serializer, de};

    impl Serialize for Degrees {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.to_string().parse::<f64>().map_err(serde::ser::Error::custom)?.serialize(serializer)
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
    fn coordinates_are_kept_to_the_centimetre_without_floats() {
        for (text, e7) in
            [("37.5665", 375_665_000), ("-0.0000001", -1), ("180", 1_800_000_000), ("126.97800009", 1_269_780_000)]
        {
            assert_eq!(text.parse::<Degrees>().unwrap().e7(), e7);
        }
        assert_eq!("-0.5".parse::<Degrees>().unwrap().to_string(), "-0.5000000");
        for bad in ["", "181", "-180.1", "NaN", "1e2", ".5", "5.", "+1", "1.2.3", "9999"] {
            assert_eq!(bad.parse::<Degrees>(), Err(InvalidDegrees), "{bad}");
        }
    }
}
