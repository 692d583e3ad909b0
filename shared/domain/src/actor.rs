//! Actors: who did a step of an order.

use crate::{CustomerId, RiderId, StoreId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Who did a step; written `customer:<id>`, `store:<id>`, `rider:<id>`, `operator` or `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The customer whose order it is.
    Customer(CustomerId),
    /// The store that makes it.
    Store(StoreId),
    /// The rider who brings it.
    Rider(RiderId),
    /// Somebody who runs the platform.
    Operator,
    /// The platform itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Store(id) => write!(f, "store:{id}"),
            Self::Rider(id) => write!(f, "rider:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The text does not name an actor.
#[derive(Debug, thiserror::Error)]
#[error("must be customer:<id>, store:<id>, rider:<id>, operator or system")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            None if text == "operator" => Ok(Self::Operator),
            None if text == "system" => Ok(Self::System),
            Some(("customer", id)) => id.parse().map(Self::Customer).map_err(|_| InvalidActor),
            Some(("store", id)) => id.parse().map(Self::Store).map_err(|_| InvalidActor),
            Some(("rider", id)) => id.parse().map(Self::Rider).map_err(|_| InvalidActor),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
