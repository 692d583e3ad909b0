//! Deliveries: the destination of an order, and the rider or carrier who delivers it.

use crate::{
    RiderId,
    phone::PhoneNumber,
    position::{Degrees, Position},
};
use serde::{Deserialize, Serialize};
use std::fmt;

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
