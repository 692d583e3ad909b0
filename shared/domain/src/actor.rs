//! Actors: who made a change.

use crate::{CustomerId, OperatorId, PartnerId, RiderId, StoreId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Who made a change. Serialised as `customer:<id>`, `store:<id>`, `rider:<id>`, `partner:<id>`,
/// `operator:<id>` or `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The customer who owns the order.
    Customer(CustomerId),
    /// The store that prepares the order.
    Store(StoreId),
    /// The rider who delivers the order.
    Rider(RiderId),
    /// Another system.
    Partner(PartnerId),
    /// A person who operates the platform. `None`, written `operator`: recorded before changes
    /// named the operator.
    Operator(Option<OperatorId>),
    /// The platform itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Store(id) => write!(f, "store:{id}"),
            Self::Rider(id) => write!(f, "rider:{id}"),
            Self::Partner(id) => write!(f, "partner:{id}"),
            Self::Operator(Some(id)) => write!(f, "operator:{id}"),
            Self::Operator(None) => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The text is not a valid actor.
#[derive(Debug, thiserror::Error)]
#[error("must be customer:<id>, store:<id>, rider:<id>, partner:<id>, operator:<id> or system")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            None if text == "operator" => Ok(Self::Operator(None)),
            None if text == "system" => Ok(Self::System),
            Some(("customer", id)) => id.parse().map(Self::Customer).map_err(|_| InvalidActor),
            Some(("store", id)) => id.parse().map(Self::Store).map_err(|_| InvalidActor),
            Some(("rider", id)) => id.parse().map(Self::Rider).map_err(|_| InvalidActor),
            Some(("partner", id)) => id.parse().map(Self::Partner).map_err(|_| InvalidActor),
            Some(("operator", id)) => {
                id.parse().map(|id| Self::Operator(Some(id))).map_err(|_| InvalidActor)
            }
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
