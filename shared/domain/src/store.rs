//! Stores: who makes what a rider brings (가게).

use crate::{StoreId, geohash::Position, phone::PhoneNumber};
use serde::{Deserialize, Serialize};

/// What is known of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreProfile {
    /// The store.
    pub store_id: StoreId,
    /// The name customers read.
    pub name: String,
    /// Where it is.
    pub position: Position,
    /// Its phone number.
    pub phone: PhoneNumber,
    /// Whether it takes orders now.
    pub open: bool,
}
